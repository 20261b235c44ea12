/** Filters: a pill for every column of the metadata with values worth choosing between. */

import { byId, element, icon } from "./dom.js";
import { columnName, number, t, valueName } from "./i18n.js";
import { chosenOf, toggled } from "./state.js";

const SHARED = 2; // pictures a value has on average, at least; titles and prices have one each
const LONGEST = 32; // characters
const PANEL = 260; // CSS pixels a panel is wide, as the style sheet says
const EDGE = 12;
const NAMED = 2; // chosen values that a pill names
const ALWAYS_SHOWN = 8; // pills; the others wait behind a button
/** Colours as cloth has them: those of CSS are for screens. Other names are left to CSS. */
const CLOTH = {
  beige: "#dcc9a3",
  black: "#1d1d20",
  blue: "#2f66cc",
  brown: "#7a4d2c",
  burgundy: "#7c1d35",
  green: "#2f8a4a",
  grey: "#8e9298",
  navy: "#1f2f66",
  olive: "#76783a",
  orange: "#ea7d2c",
  pink: "#eb9bb8",
  purple: "#75489f",
  red: "#cd2d33",
  teal: "#1f8a8a",
  white: "#fbfaf7",
  yellow: "#f1c232",
};
const IS_COLOUR = /colou?r|颜色/i;

/** `[column, [[value, count], …]]` of the columns that can be chosen by. */
export function choosable(columns) {
  return Object.entries(columns).filter(([, values]) => {
    const pictures = values.reduce((sum, [, count]) => sum + count, 0);
    const isShort = values.every(([value]) => value.length <= LONGEST);
    return values.length > 1 && isShort && pictures >= SHARED * values.length;
  });
}

/** Wires the pills to `onChange(filters)`; `columns` as the API's facets. */
export function filters(columns, onChange) {
  const root = byId("filters");
  let chosen = {};
  const pills = choosable(columns).map(([column, values], i) =>
    pill(column, values, `filter-${i}`, (value) => onChange(toggled(chosen, column, value))),
  );
  const clear = element(
    "button",
    { type: "button", class: "quiet", onclick: () => onChange({}) },
    t("filters.clear"),
  );
  const more = moreButton(root, pills.slice(ALWAYS_SHOWN));
  root.replaceChildren(...pills.flatMap((each) => [each.button, each.panel]), more, clear);
  root.hidden = pills.length === 0;
  return {
    render(state) {
      chosen = state.filters;
      for (const each of pills) each.render(chosen);
      clear.hidden = Object.keys(chosen).length === 0;
    },
  };
}

/** A button that shows all pills; those beyond the first few are marked for the style sheet. */
function moreButton(root, rest) {
  for (const each of rest) each.button.classList.add("rest");
  const more = element(
    "button",
    { type: "button", class: "quiet more-filters", onclick: () => root.classList.add("all") },
    t("filters.more"),
  );
  more.hidden = rest.length === 0;
  return more;
}

function pill(column, values, id, onToggle) {
  const label = element("span");
  const button = element(
    "button",
    { type: "button", class: "pill", popovertarget: id },
    label,
    icon("down"),
  );
  const boxes = new Map(values.map(([value]) => [value, checkbox(() => onToggle(value))]));
  const choices = values.map(([value, count]) =>
    element(
      "label",
      { class: "choice" },
      boxes.get(value),
      swatch(column, value),
      element("span", {}, valueName(value)),
      element("small", {}, number(count)),
    ),
  );
  const panel = element(
    "div",
    { id, popover: "auto", class: "panel", role: "group", "aria-label": columnName(column) },
    ...choices,
  );
  panel.addEventListener("beforetoggle", () => place(panel, button));
  return {
    button,
    panel,
    render(chosen) {
      const now = chosenOf(chosen, column);
      button.classList.toggle("chosen", now.length > 0);
      label.textContent = labelOf(column, now);
      for (const [value, box] of boxes) box.checked = now.includes(value);
    },
  };
}

function labelOf(column, chosen) {
  if (chosen.length === 0) return columnName(column);
  const named = chosen.slice(0, NAMED).map(valueName).join(", ");
  const more = chosen.length > NAMED ? ` +${chosen.length - NAMED}` : "";
  return `${columnName(column)}: ${named}${more}`;
}

const checkbox = (onchange) => element("input", { type: "checkbox", onchange });

function swatch(column, value) {
  const colour = CLOTH[value] ?? value;
  if (!IS_COLOUR.test(column) || !CSS.supports("color", colour)) return null;
  const made = element("span", { class: "swatch" });
  made.style.setProperty("background", colour);
  return made;
}

/** Under its pill and inside the window. On a phone the style sheet puts it at the bottom instead. */
function place(panel, button) {
  const pill = button.getBoundingClientRect();
  const left = Math.min(pill.left, document.documentElement.clientWidth - PANEL - EDGE);
  panel.style.setProperty("--left", `${Math.max(EDGE, left)}px`);
  panel.style.setProperty("--top", `${pill.bottom + 6}px`);
}
