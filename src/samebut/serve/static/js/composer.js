/** The form: the reference picture, the words, how much each counts. */

import { byId, element, icon, iconButton, isTouch } from "./dom.js";
import { t } from "./i18n.js";
import { turnPicture } from "./pictures.js";
import { NEUTRAL, composedStep, referenceAt } from "./state.js";
import { pictureFiles } from "./uploads.js";

const PAUSE = 150; // milliseconds without a move before the slider searches
const SIZE = 112;

/**
 * Wires the form to `onWords(text)`, `onRefuse(text)` for words that are not wanted, `onFiles(files)`,
 * `onWeight(number)`, `onTyping(text)`.
 */
export function composer({ onWords, onRefuse, onFiles, onWeight, onTyping }) {
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
  for (const input of [byId("file"), byId("camera")]) {
    input.addEventListener("change", () => {
      onFiles([...input.files]);
      input.value = ""; // the same file may be picked again
    });
  }
  wireWeight(onWeight);
  wireDrops(onFiles);
  return {
    render,
    focus: (options) => words.focus(options),
    /** Whether it stays in sight when the answers move, as on a phone. */
    stays: () => getComputedStyle(document.querySelector(".line")).position === "sticky",
    /** Gives words back that were not searched, unless others were typed meanwhile. */
    giveBack(text) {
      words.value ||= text;
    },
  };
}

function render(state) {
  const reference = referenceAt(state.turns);
  byId("reference").replaceChildren(...(reference ? shown(reference) : [invitation()]));
  const isRefining = Boolean(state.turns.at(-1)?.text);
  const key = !reference ? "words.alone" : isRefining ? "words.refine" : "words.change";
  byId("words-label").textContent = t(key);
  byId("words").placeholder = t(isTouch() ? key : `${key}.eg`); // a phone's one line has no label
  byId("refuse").hidden = state.turns.length === 0; // without a wish there is nothing to take from
  renderWeight(state);
}

/** The reference, with a way to change it: where there is a camera, one of two. */
function shown(reference) {
  const properties = isTouch() ? { popovertarget: "ways" } : {};
  const change = iconButton("edit", t("picture.change"), isTouch() ? null : pickFile, {
    class: "change",
    ...properties,
  });
  const portrait = element("div", { class: "portrait" }, turnPicture(reference, SIZE), change);
  return isTouch() ? [portrait, ways()] : [portrait];
}

function ways() {
  const way = (name, key, onclick) =>
    iconButton(name, t(key), onclick, { shown: true, class: "way", popovertarget: "ways" });
  return element(
    "div",
    { id: "ways", class: "ways", popover: "auto" },
    way("picture", "picture.pick", pickFile),
    way("camera", "picture.take", takePicture),
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

/** The slider means something only where words and a picture meet. */
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
