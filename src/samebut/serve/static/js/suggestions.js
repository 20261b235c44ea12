/** What could be said next, made of what the gallery holds. */

import { byId, element } from "./dom.js";
import { t, tOr, valueName } from "./i18n.js";
import { referenceAt } from "./state.js";

const SHOWN = 7;
const EACH = 3; // suggestions of one column
const COLOUR = /^(main )?colou?r$|^颜色$/i;

/** Wires the suggestions to `onSay(text)`; `columns` as the API's facets. */
export function suggestions(columns, onSay) {
  const root = byId("suggestions");
  let all = [];
  const show = (typed) => {
    const word = typed.toLowerCase();
    const fitting = all.filter((text) => text.toLowerCase().includes(word) && text !== typed);
    const chips = fitting
      .slice(0, SHOWN)
      .map((text) =>
        element("button", { type: "button", class: "chip", onclick: () => onSay(text) }, text),
      );
    root.replaceChildren(...chips);
  };
  return {
    /** `known(id)` gives the metadata of a gallery picture that was seen before, or undefined. */
    render(state, known) {
      const reference = referenceAt(state.turns);
      const about = reference && known(reference.picture);
      const said = state.turns.map((turn) => turn.text);
      all = (reference ? changes(columns, about) : openings(columns)).filter(
        (text) => !said.includes(text),
      );
      show("");
    },
    typed: show,
  };
}

/** Changes to a picture: values of columns it has, other than its own; the commonest first. */
function changes(columns, about) {
  const askable = Object.entries(columns).filter(([column]) => !about || about[column]);
  const rows = askable.map(([column, values]) =>
    values
      .filter(([value]) => value !== about?.[column])
      .map(([value]) => request(column, value))
      .filter((text) => text !== null),
  );
  return dealt(rows);
}

/** How to ask for a value, or null where the page has no sentence for it. */
function request(column, value) {
  if (COLOUR.test(column)) return t("ask.colour", { value: valueName(value) });
  return tOr(`ask.${column}.${value}`, null);
}

/** Things to ask for without a picture: "a blue dress", if the gallery knows colours and kinds. */
function openings(columns) {
  const colours = columns[Object.keys(columns).find((name) => COLOUR.test(name))] ?? [];
  return (columns.kind ?? []).slice(0, colours.length).map(([kind], i) =>
    t("ask.thing", { colour: valueName(colours[i][0]), kind: valueName(kind) }),
  );
}

/** Three of the first row, then one of each other in turn: colours are what people ask for most. */
function dealt(rows) {
  const filled = rows.filter((row) => row.length > 0).map((row) => row.slice());
  const first = filled.length > 0 ? filled[0].splice(0, EACH - 1) : [];
  const longest = Math.max(0, ...filled.map((row) => row.length));
  const rounds = Array.from({ length: longest }, (_, i) => filled.map((row) => row[i]));
  return [...first, ...rounds.flat().filter((text) => text !== undefined)];
}
