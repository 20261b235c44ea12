/** The answers, as rows of pictures in their own shapes: their sizes are known before they load. */

import { thumbnail } from "./api.js";
import { byId, element, icon } from "./dom.js";
import { t } from "./i18n.js";
import { reasonLine } from "./reasons.js";
import { stackMark } from "./stacks.js";
import { offer } from "./table.js";

const NARROWEST = 0.45; // width to height; beyond it the grid crops a picture, the viewer never does
const WIDEST = 1.9;
const SIZES = [320, 480, 640]; // pixels of the longer side
const TALL = 280; // CSS pixels a row is high at most, about
const PHONE = "(max-width: 640px) 46vw"; // where two tiles share a row
const IN_SIGHT = { phone: 4, desk: 12 }; // tiles at first, about
const GHOSTS = [0.75, 1, 0.66, 0.75, 1.3, 0.75, 0.9, 0.75, 0.66, 1, 0.75, 0.8];

/** What a hit is called: its title, else its file without folders. */
export const titleOf = (hit) => hit.metadata.title || hit.path.split("/").at(-1);

/**
 * Wires the grid to `onPick(hit)`, `onLook(hit)` and, where something is asked, as `canRefuse()` says,
 * `onRefuse(hit)`.
 */
export function grid({ onPick, onLook, onRefuse, canRefuse }) {
  const list = byId("grid");
  list.addEventListener("keydown", (event) => moveFocus(event, list));
  const tiles = (hits, isLater) => {
    const actions = { onPick, onLook, onRefuse: canRefuse() ? onRefuse : null };
    return hits.map((hit, i) => tile(hit, isLater(i), actions));
  };
  return {
    show(hits) {
      list.removeAttribute("aria-busy");
      const first = matchMedia("(max-width: 640px)").matches ? IN_SIGHT.phone : IN_SIGHT.desk;
      list.replaceChildren(...tiles(hits, (place) => place >= first));
      sendForLater([...list.querySelectorAll("img")]);
      setStop(list, list.querySelector(".look"));
    },
    append(hits) {
      const made = tiles(hits, () => true);
      list.append(...made);
      sendForLater(made.map((each) => each.querySelector("img")));
    },
    focus(place) {
      const look = list.children[place]?.querySelector(".look");
      setStop(list, look);
      look?.focus();
    },
    wait() {
      list.setAttribute("aria-busy", "true");
      if (list.children.length === 0) list.replaceChildren(...GHOSTS.map(ghost));
    },
    /** The request failed: the previous answers stay. */
    stay() {
      list.removeAttribute("aria-busy");
      for (const each of list.querySelectorAll(".ghost")) each.remove();
    },
  };
}

/**
 * Loads the pictures outside the screen only after those on it: browsers load far beyond the screen,
 * and on a slow connection all pictures would arrive late together.
 */
async function sendForLater(images) {
  const isLater = (image) => later.has(image);
  await Promise.allSettled(images.filter((each) => !isLater(each)).map((each) => each.decode()));
  for (const image of images.filter(isLater)) Object.assign(image, later.get(image));
}

const later = new WeakMap(); // sources of a picture that is not loaded yet, by its element

function tile(hit, isLater, { onPick, onLook, onRefuse }) {
  const title = titleOf(hit);
  const image = element("img", {
    ...(isLater ? {} : thumbnailOf(hit)),
    alt: "",
    width: hit.width,
    height: hit.height,
    loading: isLater ? "lazy" : "eager",
    decoding: "async",
    draggable: "false",
  });
  if (isLater) later.set(image, thumbnailOf(hit));
  image.addEventListener("error", () => image.replaceWith(gone()));
  const action = (name, label, onclick, ...children) =>
    element(
      "button",
      { type: "button", class: name, tabindex: -1, "aria-label": t(label, { title }), onclick },
      ...children,
    );
  const made = element(
    "li",
    { class: "tile", "data-id": hit.id },
    action("look", "tile.look", () => onLook(hit), image),
    action("pick", "tile.pick", () => onPick(hit), element("span", {}, t("tile.use"))),
    onRefuse && action("not", "tile.not", () => onRefuse(hit), element("span", {}, icon("not"))),
    stackMark(hit),
    element("p", { class: "caption", title }, title),
    offer(hit),
    reasonLine(hit),
  );
  shape(made, hit.width / hit.height);
  return made;
}

/** Thumbnails of several sizes: the browser takes what its screen can show. */
function thumbnailOf(hit) {
  const sizes = isSlow() ? SIZES.slice(0, 1) : SIZES;
  const widths = sizes.map((size) =>
    Math.round(hit.width * Math.min(1, size / Math.max(hit.width, hit.height))),
  );
  return {
    src: thumbnail(hit.id, SIZES[0]),
    srcset: sizes.map((size, i) => `${thumbnail(hit.id, size)} ${widths[i]}w`).join(", "),
    sizes: `${PHONE}, ${Math.round(TALL * shown(hit.width / hit.height))}px`,
  };
}

/** Whether the network is slow, or the visitor wants to save data, where the browser says so. */
function isSlow() {
  const { saveData = false, effectiveType = "" } = navigator.connection ?? {};
  return saveData || /^(slow-2g|2g|3g)$/.test(effectiveType);
}

const shape = (made, ratio) => made.style.setProperty("--ratio", String(shown(ratio)));
const shown = (ratio) => Math.min(WIDEST, Math.max(NARROWEST, ratio || 1));

const gone = () => element("span", { class: "gone" }, icon("missing"), t("picture.missing"));

function ghost(ratio) {
  const made = element("li", { class: "tile ghost", "aria-hidden": "true" }, element("div"));
  shape(made, ratio);
  return made;
}

/** Only one tile, with its two buttons, can be reached by Tab; arrow keys move between tiles. */
function setStop(list, look) {
  for (const button of list.querySelectorAll("[tabindex='0']")) button.tabIndex = -1;
  if (!look) return;
  for (const stop of look.closest(".tile").querySelectorAll("button, a")) stop.tabIndex = 0;
}

function moveFocus(event, list) {
  const here = event.target.closest(".tile");
  const to = here && MOVES[event.key]?.(here, list);
  if (!to) return;
  event.preventDefault();
  setStop(list, to.querySelector(".look"));
  to.querySelector(".look").focus();
}

const MOVES = {
  ArrowRight: (here) => here.nextElementSibling,
  ArrowLeft: (here) => here.previousElementSibling,
  ArrowDown: (here, list) => vertical(here, [...list.children], 1),
  ArrowUp: (here, list) => vertical(here, [...list.children].reverse(), -1),
  Home: (_, list) => list.firstElementChild,
  End: (_, list) => list.lastElementChild,
};

/** The tile of the next row, in reading direction, whose middle is nearest to this one's. */
function vertical(here, tiles, direction) {
  const beyond = tiles.filter((each) => (each.offsetTop - here.offsetTop) * direction > 0);
  const row = beyond.filter((each) => each.offsetTop === beyond[0].offsetTop);
  const middle = (each) => each.offsetLeft + each.offsetWidth / 2;
  const away = (each) => Math.abs(middle(each) - middle(here));
  return row.sort((one, other) => away(one) - away(other))[0];
}
