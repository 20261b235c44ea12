/** The form: the reference picture, the words, how much each counts. */

import { byId, element, icon, iconButton, isTouch } from "./dom.js";
import { t } from "./i18n.js";
import { numeral, turnPicture } from "./pictures.js";
import { NEUTRAL, composedStep, referenceAt, references } from "./state.js";
import { pictureFiles } from "./uploads.js";

const PAUSE = 150; // milliseconds without a move before the slider searches
const SIZE = 112;

/**
 * Wires the form to `onWords(text)`, `onRefuse(text)` for words that are not wanted, `onFiles(files)`,
 * `onMore(files)` for a picture beside the one that is there, `onWeight(number)`, `onTyping(text)`.
 */
export function composer({ onWords, onRefuse, onFiles, onMore, onWeight, onTyping }) {
  const words = byId("words");
  byId("go").append(icon("arrow"));
  const take = (action) => {
    const text = words.value.trim();
    if (!text) return words.focus();
    words.value = "";
    return action(text);
  };
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    take(onWords);
  });
  byId("refuse").addEventListener("click", () => take(onRefuse));
  words.addEventListener("input", () => onTyping(words.value.trim()));
  for (const input of [byId("file"), byId("camera"), byId("another")]) {
    input.addEventListener("change", () => {
      (input.id === "another" ? onMore : onFiles)([...input.files]);
      input.value = ""; // the same file may be picked again
    });
  }
  wireWeight(onWeight);
  wireDrops(onFiles);
  return {
    render,
    focus: (options) => words.focus(options),
    /** Whether the form stays visible while the answers scroll, as on a phone. */
    stays: () => getComputedStyle(document.querySelector(".line")).position === "sticky",
    /** Gives words back that were not searched, unless others were typed meanwhile. */
    giveBack(text) {
      words.value ||= text;
    },
  };
}

function render(state) {
  const reference = referenceAt(state.turns);
  const all = references(state.turns);
  byId("reference").replaceChildren(...(reference ? shown(all) : [invitation()]));
  byId("reference").classList.toggle("several", all.length > 1);
  const isRefining = Boolean(state.turns.at(-1)?.text);
  const about = all.length > 1 ? "words.both" : "words.change";
  const key = !reference ? "words.alone" : isRefining ? "words.refine" : about;
  byId("words-label").textContent = t(key);
  byId("words").placeholder = t(isTouch() ? key : `${key}.eg`); // a phone shows no other label
  byId("refuse").hidden = state.turns.length === 0; // exclusions need something that is asked for
  renderWeight(state);
}

/**
 * The references, numbered if there are several, the last with ways to change it and to add another:
 * where there is a camera, in one menu.
 */
function shown(all) {
  const before = all.slice(0, -1).map(([number, turn]) => portrait(number, turn));
  const [number, reference] = all.at(-1);
  const properties = isTouch() ? { popovertarget: "ways" } : {};
  const change = iconButton("edit", t("picture.change"), isTouch() ? null : pickFile, {
    class: "change",
    ...properties,
  });
  const more = isTouch() ? null : iconButton("add", t("picture.add"), addFile, { class: "add" });
  const last = portrait(all.length > 1 ? number : null, reference, change, more);
  return isTouch() ? [...before, last, ways()] : [...before, last];
}

const portrait = (number, turn, ...buttons) =>
  element("div", { class: "portrait" }, turnPicture(turn, SIZE), numeral(number), ...buttons);

function ways() {
  const way = (name, key, onclick) =>
    iconButton(name, t(key), onclick, { shown: true, class: "way", popovertarget: "ways" });
  return element(
    "div",
    { id: "ways", class: "ways", popover: "auto" },
    way("picture", "picture.pick", pickFile),
    way("camera", "picture.take", takePicture),
    way("add", "picture.add", addFile),
  );
}

function invitation() {
  const offer = element(
    "button",
    { type: "button", class: "invite", "aria-label": t("picture.pick"), onclick: pickFile },
    icon("picture"),
    element("b", {}, t("picture.pick")),
    element("small", {}, t(isTouch() ? "picture.pick.touch" : "picture.pick.desk")),
  );
  if (!isTouch()) return offer;
  const camera = iconButton("camera", t("picture.take"), takePicture, {
    class: "camera",
    shown: true,
    "aria-label": t("picture.take"), // a phone shows the icon alone
  });
  return element("div", { class: "invites" }, offer, camera);
}

const pickFile = () => byId("file").click();
const takePicture = () => byId("camera").click();
const addFile = () => byId("another").click();

function wireWeight(onWeight) {
  const slider = byId("weight");
  let timer = 0;
  slider.addEventListener("input", () => {
    slider.setAttribute("aria-valuetext", weightText(slider.valueAsNumber));
    clearTimeout(timer);
    timer = setTimeout(() => onWeight(slider.valueAsNumber), PAUSE);
  });
  slider.addEventListener("dblclick", () => onWeight(NEUTRAL));
}

/** Shows the slider only where a turn has both words and a picture. */
function renderWeight(state) {
  const slider = byId("weight");
  byId("weight-row").hidden = composedStep(state.turns) < 0;
  slider.value = String(state.weight);
  slider.setAttribute("aria-valuetext", weightText(state.weight));
}

function weightText(weight) {
  if (weight === NEUTRAL) return t("weight.model");
  const lean = Math.round(Math.abs(weight - NEUTRAL) * 200);
  return t(weight > NEUTRAL ? "weight.more.words" : "weight.more.picture", { lean });
}

/** Pictures may be dropped anywhere, and pasted anywhere. */
function wireDrops(onFiles) {
  const veil = byId("drop");
  const holdsFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  window.addEventListener("dragover", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    veil.hidden = false;
  });
  window.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) veil.hidden = true;
  });
  window.addEventListener("drop", (event) => {
    veil.hidden = true;
    if (!holdsFiles(event)) return;
    event.preventDefault();
    onFiles(pictureFiles(event.dataTransfer));
  });
  window.addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length) onFiles(pictureFiles(event.clipboardData));
  });
}
