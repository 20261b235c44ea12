/** A hit at full size, with all that is known about it. */

import { open } from "./dialogs.js";
import { byId, element, icon, iconButton } from "./dom.js";
import { titleOf } from "./grid.js";
import { number, t } from "./i18n.js";
import { noted } from "./moves.js";
import { stackStrip } from "./stacks.js";
import { cell, columnName, isHidden } from "./table.js";

const DIGITS = 3;
const PAUSE = 300; // milliseconds: browsers throttle history changes, as by a held key
const SWIPE = 48; // CSS pixels a finger moves sideways to mean another picture

/**
 * Wires the viewer to `onPick(hit)`, `onStart(hit)`, beside a picture that nothing was said of, as
 * `canAdd()` says, `onAdd(hit)`, where something is asked, as `canRefuse()` says, `onRefuse(hit)`, `onEnd()` when the last of the hits is shown, and `onClose(place)` when nothing was
 * chosen. `because(hit)` is what is said of why it is an answer.
 */
export function viewer({ onPick, onStart, onAdd, canAdd, onRefuse, canRefuse, onEnd, onClose, because }) {
  const dialog = byId("viewer");
  let hits = [];
  let place = 0;
  let isChosen = false;
  let timer = 0;
  const show = (to) => {
    if (!hits[to]) return;
    place = to;
    const hit = hits[place];
    const isTurned = dialog.open;
    let chosen = hit; // or one of its near-copies
    const choose = (action) => () => {
      isChosen = true;
      dialog.close();
      action(chosen);
    };
    const shown = photo(hit);
    const strip = stackStrip(hit, (id) => {
      chosen = { ...hit, id };
      shown.src = hit.picture.replace(/\d+$/, id);
    });
    open(
      dialog,
      titleOf(hit),
      element("div", { class: "look-at" }, turner(-1), shown, turner(1)),
      element(
        "div",
        { class: "known" },
        element(
          "div",
          { class: "actions" },
          button("arrow", t("viewer.pick"), choose(onPick), "primary"),
          button("restart", t("viewer.start"), choose(onStart), "secondary"),
          canAdd() ? button("add", t("viewer.add"), choose(onAdd), "secondary") : null,
          canRefuse() ? button("not", t("viewer.not"), choose(onRefuse), "secondary") : null,
        ),
        ...[strip, because(hit)].filter((each) => each !== null),
        facts(hit),
      ),
    );
    dialog.scrollTop = 0;
    if (isTurned) dialog.focus(); // the focused element is gone: without a focus, keys would have no effect
    clearTimeout(timer);
    timer = setTimeout(() => dialog.open && noted({ look: place }), isTurned ? PAUSE : 0);
    if (place === hits.length - 1) onEnd();
  };
  const turner = (by) =>
    iconButton(by < 0 ? "back" : "forward", t(by < 0 ? "viewer.back" : "viewer.next"), () => {
      show(place + by);
      const same = dialog.querySelector(by < 0 ? ".turner" : ".turner:last-child");
      if (!same.disabled) same.focus();
    }, { class: "round turner", disabled: !hits[place + by] });
  dialog.tabIndex = -1;
  dialog.addEventListener("keydown", (event) => show(place + (STEPS[event.key] ?? NaN)));
  swiped(dialog, (by) => show(place + by));
  dialog.addEventListener("close", () => isChosen || onClose(place));
  return {
    look(all, to) {
      hits = all;
      isChosen = false;
      show(to);
    },
    /** More hits came for what is shown. */
    goOn(all) {
      hits = all;
      const forward = dialog.querySelector(".turner:last-child");
      if (forward) forward.disabled = !hits[place + 1];
    },
  };
}

const STEPS = { ArrowLeft: -1, ArrowRight: 1 };

/** Calls `onSwipe(-1 or 1)` when one finger moves sideways over `area`. */
function swiped(area, onSwipe) {
  let from = null;
  area.addEventListener(
    "touchstart",
    ({ touches }) => {
      from = touches.length === 1 ? touches[0] : null;
    },
    { passive: true },
  );
  area.addEventListener("touchend", ({ changedTouches: [to] }) => {
    if (!from) return;
    const [across, down] = [to.clientX - from.clientX, to.clientY - from.clientY];
    if (Math.abs(across) > SWIPE && Math.abs(across) > 2 * Math.abs(down)) onSwipe(across < 0 ? 1 : -1);
    from = null;
  });
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
      .filter(([column, value]) => value && column !== "title" && !isHidden(column))
      .map(([column, value]) => [columnName(column), cell(column, value)]),
    [t("viewer.file"), hit.path],
    [t("viewer.size"), size],
    ...(typeof hit.score === "number" ? [[t("viewer.score"), hit.score.toFixed(DIGITS)]] : []),
  ];
  const rows = known.map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, value)),
  );
  return element("dl", {}, ...rows);
}
