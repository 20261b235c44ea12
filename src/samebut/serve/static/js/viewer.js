/** A hit at full size, with all that is known about it. */

import { open } from "./dialogs.js";
import { byId, element, icon, iconButton } from "./dom.js";
import { columnName, number, t, valueName } from "./i18n.js";
import { titleOf } from "./grid.js";

const DIGITS = 3;

/** Wires the viewer to `onPick(hit)`, `onStart(hit)` and `onClose(place)` when nothing was chosen. */
export function viewer({ onPick, onStart, onClose }) {
  const dialog = byId("viewer");
  let hits = [];
  let place = 0;
  let isChosen = false;
  const show = (to) => {
    if (!hits[to]) return;
    place = to;
    const hit = hits[place];
    const choose = (action) => () => {
      isChosen = true;
      dialog.close();
      action(hit);
    };
    open(
      dialog,
      titleOf(hit),
      element("div", { class: "look-at" }, turner(-1), photo(hit), turner(1)),
      element(
        "div",
        { class: "known" },
        element(
          "div",
          { class: "actions" },
          button("arrow", t("viewer.pick"), choose(onPick), "primary"),
          button("restart", t("viewer.start"), choose(onStart), "secondary"),
        ),
        facts(hit),
      ),
    );
  };
  const turner = (by) =>
    iconButton(by < 0 ? "back" : "forward", t(by < 0 ? "viewer.back" : "viewer.next"), () => {
      show(place + by);
      dialog.querySelector(by < 0 ? ".turner" : ".turner:last-child").focus();
    }, { class: "round turner", disabled: !hits[place + by] });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") show(place - 1);
    if (event.key === "ArrowRight") show(place + 1);
  });
  dialog.addEventListener("close", () => isChosen || onClose(place));
  return {
    look(all, hit) {
      hits = all;
      isChosen = false;
      show(hits.indexOf(hit));
    },
  };
}

function photo(hit) {
  const image = element("img", {
    src: hit.picture,
    alt: titleOf(hit),
    width: hit.width,
    height: hit.height,
  });
  image.addEventListener("error", () => {
    image.replaceWith(element("p", { class: "gone" }, t("picture.missing")));
  });
  return image;
}

const button = (name, label, onclick, kind) =>
  element("button", { type: "button", class: kind, onclick }, icon(name), label);

function facts(hit) {
  const size = `${number(hit.width)} × ${number(hit.height)}`;
  const known = [
    ...Object.entries(hit.metadata)
      .filter(([column, value]) => value && column !== "title")
      .map(([column, value]) => [columnName(column), valueName(value)]),
    [t("viewer.file"), hit.path],
    [t("viewer.size"), size],
    ...(typeof hit.score === "number" ? [[t("viewer.score"), hit.score.toFixed(DIGITS)]] : []),
  ];
  const rows = known.map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, value)),
  );
  return element("dl", {}, ...rows);
}
