/**
 * Elements from data. Whatever comes from a gallery becomes a text node or an attribute value here,
 * never markup: names and metadata are written by strangers.
 */

const SVG = "http://www.w3.org/2000/svg";

const PATHS = {
  add: "M12 5v14M5 12h14",
  arrow: "M5 12h14M13 6l6 6-6 6",
  back: "M15 6l-6 6 6 6",
  camera: "M4 8h3l2-3h6l2 3h3v11H4zM12 10a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7z",
  check: "M5 12.5l4.5 4.5L19 7.5",
  close: "M6 6l12 12M18 6L6 18",
  crop: "M7 2v15h15M2 7h15v15",
  code: "M8 7l-5 5 5 5M16 7l5 5-5 5",
  columns: "M4 5h7v14H4zM13 5h7v14h-7z",
  down: "M6 9l6 6 6-6",
  edit: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  expand: "M9 4H4v5M15 4h5v5M9 20H4v-5M15 20h5v-5",
  eye: "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12zM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z",
  forward: "M9 6l6 6-6 6",
  link: "M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.7-5.700l-1.5 1.500M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.7 5.700l1.5-1.5",
  missing: "M9 9.500a3 3 0 1 1 4.2 2.700c-.8.4-1.2 1-1.2 1.800v.5M12 17.500v.1",
  moon: "M20 14.500A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.500z",
  not: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM6.5 6.500l11 11",
  out: "M9 5H5v14h14v-4M13 5h6v6M19 5l-8 8",
  picture: "M4 5h16v14H4zM4 16l5-5 4 4 2.5-2.500L20 17M15 9.500v.1",
  restart: "M5 5v5h5M5.5 10A7.5 7.5 0 1 1 5 14",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2.500v2M12 19.500v2M2.5 12h2M19.5 12h2M5.3 5.300l1.4 1.400M17.3 17.300l1.4 1.400M18.7 5.300l-1.4 1.400M6.7 17.300l-1.4 1.4",
  warning: "M12 4L2.5 20h19zM12 10v4.500M12 17.200v.1",
};

/**
 * An element with properties and children. Strings become text; `null` children are left out.
 * `on…` properties are listeners; `true` and `false` set or leave out an attribute.
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** A line drawing of the page's own set, as wide as the text around it, hidden from screen readers. */
export function icon(name) {
  const drawing = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  drawing.setAttribute("viewBox", "0 0 24 24");
  drawing.setAttribute("aria-hidden", "true");
  drawing.setAttribute("class", "icon");
  path.setAttribute("d", PATHS[name]);
  drawing.append(path);
  return drawing;
}

/** A button with an icon; its name is spoken and shown as a tip, and written beside it if `shown`. */
export function iconButton(name, label, onclick, { shown = false, ...properties } = {}) {
  const names = shown ? {} : { "aria-label": label, title: label };
  const text = shown ? element("span", {}, label) : null;
  return element("button", { type: "button", onclick, ...names, ...properties }, icon(name), text);
}

/** The element of this id; the page's own markup always has it. */
export const byId = (id) => document.getElementById(id);

/** Whether the visitor's main pointer is a finger: then a focused field hides half the page. */
export const isTouch = () => window.matchMedia("(pointer: coarse)").matches;
