/** Filters: a pill for every column of the table with values worth choosing between. */

import { byId, element, icon } from "./dom.js";
import { number, t } from "./i18n.js";
import { chosenOf, toggled, without } from "./state.js";
import { columnName, shownColumns, written } from "./table.js";

const PANEL = 260; // CSS pixels a panel is wide, as the style sheet says
const EDGE = 12;
const NAMED = 2; // chosen values that a pill names
const ALWAYS_SHOWN = 8; // pills; the others wait behind a button
const SEARCHED = 9; // values; fewer are seen at a glance
/** Colours as clothes have them: CSS's are too bright. CSS interprets all other names. */
const CLOTH = {
  beige: "#dcc9a3",
  black: "#1d1d20",
  blue: "#2f66cc",
  brown: "#7a4d2c",
  burgundy: "#7c1d35",
  charcoal: "#3d4046",
  cream: "#f3ead2",
  green: "#2f8a4a",
  grey: "#8e9298",
  khaki: "#b5a77a",
  maroon: "#6d1f2c",
  navy: "#1f2f66",
  "navy blue": "#1f2f66",
  "off white": "#f4f1e8",
  olive: "#76783a",
  orange: "#ea7d2c",
  pink: "#eb9bb8",
  purple: "#75489f",
  red: "#cd2d33",
  teal: "#1f8a8a",
  white: "#fbfaf7",
  yellow: "#f1c232",
};

/** Wires the pills to `onChange(filters)`, made of the table as it is known now. */
export function filters(onChange) {
  const root = byId("filters");
  let chosen = {};
  const pills = shownColumns()
    .filter(({ values }) => values.length > 1)
    .map((column, i) =>
      pill(
        column,
        `filter-${i}`,
        (value) => onChange(toggled(chosen, column.column, value)),
        () => onChange(without(chosen, column.column)),
      ),
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
    /** Takes the counts among the pictures that pass the current filters, from `/facets?where=`. */
    count(columns) {
      const now = new Map(columns.map(({ column, values }) => [column, values]));
      for (const each of pills) each.count(now.get(each.column) ?? []);
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

function pill({ column, kind, values }, id, onToggle, onClear) {
  const label = element("span");
  const button = element(
    "button",
    { type: "button", class: "pill", popovertarget: id },
    label,
    icon("down"),
  );
  const choices = ordered(kind, values).map((each) => choice(column, kind, each, () => onToggle(each.value)));
  const clear = element("button", { type: "button", class: "quiet", onclick: onClear }, t("filters.clear.one"));
  const panel = sheet(id, column, choices, clear);
  panel.addEventListener("beforetoggle", () => place(panel, button));
  return {
    column,
    button,
    panel,
    render(chosen) {
      const now = chosenOf(chosen, column);
      button.classList.toggle("chosen", now.length > 0);
      label.textContent = labelOf(column, now);
      clear.disabled = now.length === 0;
      for (const each of choices) each.box.checked = now.includes(each.value);
    },
    count(now) {
      const counts = new Map(now.map(({ value, count }) => [value.toLowerCase(), count]));
      for (const each of choices) each.count(counts.get(each.value.toLowerCase()) ?? 0);
    },
  };
}

/** Sorts values: the commonest first, amounts ascending. */
function ordered(kind, values) {
  if (!["price", "number", "percentage"].includes(kind)) return values;
  const amount = ({ value }) => Number.parseFloat(value.replaceAll(/[^\d.-]/g, ""));
  return values.toSorted((one, other) => amount(one) - amount(other));
}

/** The values of a column: with a title, a search, and ways to clear and to be done. */
function sheet(id, column, choices, clear) {
  const title = element("h2", { id: `${id}-title` }, columnName(column));
  const done = element(
    "button",
    { type: "button", class: "primary", popovertarget: id, popovertargetaction: "hide" },
    t("filters.done"),
  );
  const none = element("p", { class: "no-choice", role: "status" });
  const search = choices.length < SEARCHED ? null : searchField(column, choices, none);
  const list = element("div", { class: "choices" }, ...choices.map(({ made }) => made), none);
  return element(
    "div",
    { id, popover: "auto", class: "panel", role: "group", "aria-labelledby": title.id },
    element("div", { class: "panel-top" }, title, search),
    list,
    element("div", { class: "panel-end" }, clear, done),
  );
}

function searchField(column, choices, none) {
  const label = t("filters.search", { column: columnName(column) });
  const field = element("input", { type: "search", "aria-label": label, placeholder: label });
  field.addEventListener("input", () => {
    const word = field.value.trim().toLowerCase();
    for (const each of choices) {
      each.made.hidden = !`${each.value}\n${written(column, each.value)}`.toLowerCase().includes(word);
    }
    none.textContent = choices.every(({ made }) => made.hidden) ? t("filters.search.none") : "";
  });
  return field;
}

function choice(column, kind, { value, count }, onchange) {
  const box = element("input", { type: "checkbox", onchange });
  const small = element("small", {}, number(count));
  const name = element("span", {}, written(column, value));
  const made = element("label", { class: "choice" }, box, kind === "colour" ? swatch(value) : null, name, small);
  return {
    value,
    box,
    made,
    count(now) {
      small.textContent = number(now);
      made.classList.toggle("none", now === 0);
    },
  };
}

function labelOf(column, chosen) {
  if (chosen.length === 0) return columnName(column);
  const named = chosen.slice(0, NAMED).map((value) => written(column, value)).join(t("values.join"));
  const more = chosen.length > NAMED ? ` +${chosen.length - NAMED}` : "";
  return t("filters.chosen", { column: columnName(column), values: `${named}${more}` });
}

function swatch(value) {
  const name = value.toLowerCase();
  const colour = CLOTH[name] ?? name;
  if (!CSS.supports("color", colour)) return element("span", { class: "swatch unknown" });
  const made = element("span", { class: "swatch" });
  made.style.setProperty("background", colour);
  return made;
}

/** Places a panel under its pill and inside the window. On a phone the style sheet puts it at the bottom instead. */
function place(panel, button) {
  const pill = button.getBoundingClientRect();
  const left = Math.min(pill.left, document.documentElement.clientWidth - PANEL - EDGE);
  panel.style.setProperty("--left", `${Math.max(EDGE, left)}px`);
  panel.style.setProperty("--top", `${pill.bottom + 6}px`);
}
