/**
 * Why: which regions each word looks at or is nearest to, in the reference and in an answer, and the
 * share of words and picture.
 */

import { BASE, explain } from "./api.js";
import { open } from "./dialogs.js";
import { byId, element } from "./dom.js";
import { titleOf } from "./grid.js";
import { percent, t } from "./i18n.js";
import { reasonList } from "./reasons.js";
import { composedStep, referenceAt } from "./state.js";
import { drawn, pictureOf } from "./uploads.js";

const SIDE = 900; // pixels of a drawn own picture
const VEIL = 0.62; // how opaque the heat is over the farthest region
const GLOW = 0.45; // and over the nearest, which is to be seen
/** Stops of the heat, dark to light; also the legend's, in the style sheet. */
const HEAT = [
  [0, [18, 12, 48]],
  [0.35, [120, 28, 109]],
  [0.65, [237, 105, 37]],
  [1, [252, 225, 120]],
];

/**
 * Shows why `hit` answers a state: the maps of the latest words over the picture they go on about and
 * over the answer, what the answer has of all that was wished, and how much words and picture count.
 */
export async function showWhy(state, hit, onFailure) {
  const dialog = byId("why");
  const step = composedStep(state.turns);
  const { picture, upload, box, called } = referenceAt(state.turns, step);
  const { text } = state.turns[step];
  const reference = stage(portrait({ picture, upload }), t("why.reference"));
  const answer = stage(pictureOfHit(hit), t("why.answer", { rank: hit.rank }));
  const side = element("div", { class: "reasons", "aria-busy": "true" }, t("why.loading"));
  const stages = element("div", { class: "stages" }, reference, answer);
  open(dialog, t("why.title", { text: text || called }), stages, side);
  try {
    const [looked, near] = await Promise.all([
      explain({ picture, upload, box, called, text }),
      explain({ picture: hit.id, upload: null, box: null, called, text }, { ofAnswer: true }),
    ]);
    if (!dialog.open) return;
    side.removeAttribute("aria-busy");
    side.replaceChildren(...reasons(hit, [[reference, looked], [answer, near]]));
  } catch (error) {
    dialog.close();
    onFailure(error);
  }
}

/** A picture in its own proportions, so that overlays fit it, with a caption. */
function stage(portrayed, caption) {
  const made = element("figure", { class: "stage" });
  const over = element("div", { class: "over" }, portrayed);
  const shape = (width, height) => made.style.setProperty("--ratio", String(width / height));
  if (portrayed instanceof HTMLImageElement) {
    const isRead = () => shape(portrayed.naturalWidth, portrayed.naturalHeight);
    if (portrayed.complete && portrayed.naturalWidth) isRead();
    else portrayed.addEventListener("load", isRead);
  } else if (portrayed.width) shape(portrayed.width, portrayed.height);
  made.append(over, element("figcaption", {}, caption));
  return made;
}

const pictureOfHit = (hit) => element("img", { src: hit.picture, alt: titleOf(hit) });

function portrait({ picture, upload }) {
  if (picture !== null) {
    return element("img", { src: `${BASE}/pictures/${picture}`, alt: t("picture.gallery") });
  }
  const own = pictureOf(upload);
  return own?.bitmap ? drawn(own.bitmap, SIDE) : element("p", { class: "gone" }, t("picture.yours"));
}

/** What the maps are called: the fusion's attention, or how near words and regions are. */
const NAMES = {
  attention: {
    words: "why.attention.words",
    note: "why.attention.note",
    described: "why.attention.described",
    little: "why.attention.little",
    much: "why.attention.much",
  },
  nearness: {
    words: "why.words",
    note: "why.note",
    described: "why.described",
    little: "why.little",
    much: "why.much",
  },
};

/** `explained` are stages with what is known of each. A word is shown on all of them at once. */
function reasons(hit, explained) {
  const [[, { words, kind, gate }]] = explained;
  const names = NAMES[kind] ?? NAMES.nearness;
  const layers = explained.map(([stage, answer]) => {
    const canvas = element("canvas", { class: "heat", role: "img" });
    placed(canvas, answer);
    stage.querySelector(".over").append(canvas);
    return { canvas, choices: choicesOf(answer.words) };
  });
  const choices = choicesOf(words);
  const buttons = choices.map(({ text }, i) =>
    element("button", { type: "button", class: "chip", onclick: () => show(i) }, text),
  );
  const show = (chosen) => {
    for (const { canvas, choices: own } of layers) {
      paint(canvas, own[chosen].map);
      canvas.setAttribute("aria-label", described(own[chosen], names));
    }
    buttons.forEach((each, i) => each.setAttribute("aria-pressed", i === chosen));
  };
  show(0);
  const list = reasonList(hit);
  return [
    ...(list ? [element("h3", {}, t("reason.title")), list] : []),
    element("h3", {}, t(names.words)),
    element("div", { class: "words", role: "group", "aria-label": t(names.words) }, ...buttons),
    legend(names),
    ...(typeof gate === "number" ? balance(gate) : []),
    element("p", { class: "note" }, t(names.note)),
  ];
}

/** All the words that say something about a picture together, then each of them. */
function choicesOf(words) {
  const telling = words.filter((word) => !word.function_word);
  const shown = telling.length > 0 ? telling : words;
  const all = { text: t("why.all"), map: together(shown.map((word) => word.map)) };
  return shown.length > 1 ? [all, ...shown] : shown;
}

/** Lays a map over the part of the picture that it is of. */
function placed(canvas, { box: [left, top, right, bottom], picture: { width, height } }) {
  const percent = (share) => `${100 * share}%`;
  canvas.style.left = percent(left / width);
  canvas.style.top = percent(top / height);
  canvas.style.width = percent((right - left) / width);
  canvas.style.height = percent((bottom - top) / height);
}

/** For every place how near all the words are to it, as a share of the nearest place. */
function together(maps) {
  const sums = maps[0].map((row, y) =>
    row.map((_, x) => maps.reduce((sum, map) => sum + map[y][x], 0)),
  );
  const highest = Math.max(...sums.flat()) || 1;
  return sums.map((row) => row.map((sum) => sum / highest));
}

/** Veils the picture where it is far from the word and lights it where it is near. */
function paint(canvas, map) {
  canvas.height = map.length;
  canvas.width = map[0].length;
  const pen = canvas.getContext("2d");
  const heat = pen.createImageData(canvas.width, canvas.height);
  map.flat().forEach((value, i) => {
    const alpha = VEIL + (GLOW - VEIL) * value;
    heat.data.set([...heatOf(value), Math.round(255 * alpha)], 4 * i);
  });
  pen.putImageData(heat, 0, 0);
}

function heatOf(value) {
  const upper = Math.max(1, HEAT.findIndex(([at]) => value <= at));
  const [[low, from], [high, to]] = [HEAT[upper - 1], HEAT[upper]];
  const share = (value - low) / (high - low);
  return from.map((channel, i) => Math.round(channel + share * (to[i] - channel)));
}

/** The nearest place in words, for those who do not see the picture. */
function described({ text, map }, names) {
  const peak = Math.max(...map.flat());
  const y = map.findIndex((row) => row.includes(peak));
  const third = (at, length, names) => names[Math.min(2, Math.floor((3 * (at + 0.5)) / length))];
  const vertical = third(y, map.length, ["top", "middle", "bottom"]);
  const horizontal = third(map[y].indexOf(peak), map[0].length, ["left", "centre", "right"]);
  const place = `${t(`place.${vertical}`)}${t("place.join")}${t(`place.${horizontal}`)}`;
  return t(names.described, { text, place });
}

const legend = (names) =>
  element(
    "div",
    { class: "legend", "aria-hidden": "true" },
    element("span", {}, t(names.little)),
    element("span", { class: "ramp" }),
    element("span", {}, t(names.much)),
  );

function balance(gate) {
  const bar = element("div", { class: "balance", "aria-hidden": "true" }, element("span"));
  bar.style.setProperty("--words", String(gate));
  return [
    element("h3", {}, t("why.balance")),
    bar,
    element(
      "p",
      { class: "shares" },
      element("span", {}, t("why.share.words", { share: percent(gate) })),
      element("span", {}, t("why.share.picture", { share: percent(1 - gate) })),
    ),
  ];
}
