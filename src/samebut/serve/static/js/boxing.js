/**
 * Chooses the part of a picture that is meant: drawn with a mouse or a finger, moved and sized by its
 * handles, also with two fingers and with the arrow keys.
 */

import { thumbnail } from "./api.js";
import { open } from "./dialogs.js";
import { byId, element } from "./dom.js";
import { t } from "./i18n.js";
import { drawn, pictureOf } from "./uploads.js";

const SIDE = 1024; // pixels of the picture shown
const SMALLEST = 0.06; // share of a side
const STEP = 0.02; // share of a side that an arrow key moves
const FIRST = [0.15, 0.15, 0.85, 0.85]; // where none was chosen yet
/** Which edges of [left, top, right, bottom] a handle moves. */
const HANDLES = { nw: [0, 1], ne: [2, 1], sw: [0, 3], se: [2, 3] };

/** Lets a visitor choose a part of a turn's picture; `onBox` gets it, or null for all of it. */
export function chooseBox(turn, onBox) {
  const dialog = byId("box");
  let box = turn.box ?? FIRST;
  const frame = element("div", { class: "frame", tabindex: 0, role: "group" });
  const handles = Object.keys(HANDLES).map((name) =>
    element("button", { type: "button", class: `handle ${name}`, "aria-label": t(`box.${name}`) }),
  );
  frame.append(...handles);
  const picture = portrait(turn);
  const area = element("div", { class: "area" }, picture, frame);
  const show = (next) => {
    box = next;
    ["left", "top", "right", "bottom"].forEach((edge, i) => {
      const share = i < 2 ? box[i] : 1 - box[i];
      frame.style.setProperty(`--${edge}`, `${100 * share}%`);
    });
    const [left, top, right, bottom] = box.map((share) => Math.round(100 * share));
    frame.setAttribute("aria-label", t("box.frame", { left, top, right, bottom }));
  };
  const done = (chosen) => () => {
    dialog.close();
    onBox(chosen());
  };
  const button = (key, kind, chosen) =>
    element("button", { type: "button", class: kind, onclick: done(chosen) }, t(key));
  wire(area, frame, () => box, show);
  show(box);
  open(
    dialog,
    t("box.title"),
    element("p", { class: "note" }, t("box.how")),
    area,
    element(
      "div",
      { class: "box-actions" },
      button("box.use", "primary", () => box.map((share) => Math.round(share * 1000) / 1000)),
      button("box.whole", "secondary", () => null),
    ),
  );
  frame.focus();
}

function portrait({ picture, upload }) {
  if (picture !== null) return element("img", { src: thumbnail(picture, SIDE), alt: "", draggable: "false" });
  return drawn(pictureOf(upload).bitmap, SIDE);
}

/** Lets pointers and keys change the box: `get` returns it, `show` sets it. */
function wire(area, frame, get, show) {
  const pointers = new Map();
  let start = null; // the box and the pointers when the last pointer came or went
  let moves = () => null;
  const at = ({ clientX, clientY }) => {
    const { left, top, width, height } = area.getBoundingClientRect();
    return [within((clientX - left) / width), within((clientY - top) / height)];
  };
  const begin = (target) => {
    start = { box: get(), points: [...pointers.values()] };
    if (start.points.length > 1) moves = pinched;
    else if (target.closest(".handle")) moves = sized(edgesOf(target.closest(".handle")));
    else moves = target.closest(".frame") ? moved : newBox;
  };
  area.addEventListener("pointerdown", (event) => {
    if (event.button > 0 || pointers.size > 1) return;
    if (!event.target.closest(".handle")) event.preventDefault();
    area.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, at(event));
    begin(event.target);
  });
  area.addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId)) return;
    pointers.set(event.pointerId, at(event));
    const next = moves(start, [...pointers.values()]);
    if (next) show(next);
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    area.addEventListener(kind, (event) => {
      if (pointers.delete(event.pointerId)) begin(frame);
    });
  }
  frame.addEventListener("keydown", (event) => {
    const by = KEYS[event.key];
    if (!by) return;
    event.preventDefault();
    const points = [[0, 0]];
    const to = [by.map((step) => step * STEP)];
    const handle = event.target.closest(".handle");
    const move = handle ? sized(edgesOf(handle)) : moved;
    show(move({ box: get(), points }, to));
  });
}

const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const within = (share) => Math.min(1, Math.max(0, share));
const edgesOf = (handle) => HANDLES[Object.keys(HANDLES).find((name) => handle.classList.contains(name))];

function moved({ box: [left, top, right, bottom], points: [from] }, [to]) {
  const across = Math.min(1 - right, Math.max(-left, to[0] - from[0]));
  const down = Math.min(1 - bottom, Math.max(-top, to[1] - from[1]));
  return [left + across, top + down, right + across, bottom + down];
}

const sized = ([x, y]) => ({ box, points: [from] }, [to]) => {
  const next = [...box];
  next[x] = box[x] + to[0] - from[0];
  next[y] = box[y] + to[1] - from[1];
  const room = (edge, far) =>
    edge < 2 ? Math.min(box[far] - SMALLEST, Math.max(0, next[edge])) : Math.max(box[far] + SMALLEST, Math.min(1, next[edge]));
  next[x] = room(x, (x + 2) % 4);
  next[y] = room(y, (y + 2) % 4);
  return next;
};

/** The box between where a pointer went down and where it is now, unless that is just a tap. */
const newBox = ({ points: [from] }, [to]) => spanned(from, to);

/** The box of two fingers: they are its opposite corners. */
const pinched = (_, [one, other]) => other && spanned(one, other);

function spanned(one, other) {
  const box = [0, 1].map((i) => Math.min(one[i], other[i])).concat([0, 1].map((i) => Math.max(one[i], other[i])));
  const isLarge = box[2] - box[0] >= SMALLEST && box[3] - box[1] >= SMALLEST;
  return isLarge ? box : null;
}
