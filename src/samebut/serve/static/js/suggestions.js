/** What could be said next, made of what the gallery holds, whatever its columns are called. */

import { byId, element } from "./dom.js";
import { t, tOr } from "./i18n.js";
import { referenceAt, references } from "./state.js";
import { ofKind, shownColumns, valueName } from "./table.js";

const SHOWN = 7;
const EACH = 3; // suggestions of one column

/** Wires the suggestions to `onSay(text)`. */
export function suggestions(onSay) {
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
      const several = references(state.turns);
      const made = several.length > 1 ? joined(several) : reference ? changes(about) : openings();
      all = [...new Set(made)].filter((text) => !said.includes(text));
      show("");
    },
    typed: show,
  };
}

/** What can be taken from which of the last two pictures. */
function joined(several) {
  const [[one], [two]] = several.slice(-2);
  const said = (first, second) => t("ask.both", { first, second }).split("|");
  return [...said(one, two), ...said(two, one)];
}

/** Changes to a picture: values of columns it has, other than its own; colours first. */
function changes(about) {
  const colours = ofKind("colour");
  const others = shownColumns().filter((each) => !colours.includes(each));
  const rows = [...colours.slice(0, 1), ...others]
    .filter(({ column }) => !about || about[column])
    .map(({ column, kind, values }) =>
      values
        .filter(({ value }) => value !== about?.[column])
        .map(({ value }) => request(column, kind, value))
        .filter((text) => text !== null),
    );
  const made = dealt(rows);
  return made.length > 0 ? made : t("ask.any").split("|");
}

/** How to ask for a value, or null where the page has no sentence for it. */
function request(column, kind, value) {
  const own = tOr(`ask.${column}.${value}`, null);
  if (own !== null || !SENTENCES.includes(kind) || FOR_ALL.includes(value.toLowerCase())) return own;
  return t(`ask.${kind}`, { value: valueName(column, value).toLowerCase() });
}

const SENTENCES = ["colour", "pattern", "gender", "material"];
const FOR_ALL = ["unisex", "everyone", "中性", "中性款"];

/** Things to ask for without a picture: "a blue dress", if the gallery knows colours and kinds. */
function openings() {
  const [colours] = ofKind("colour");
  const [things] = [...ofKind("article"), ...ofKind("category")];
  if (!colours && !things) return t("ask.any.thing").split("|");
  const named = ({ column, values }, i) => valueName(column, values[i].value);
  const count = Math.min(colours?.values.length ?? SHOWN, things?.values.length ?? SHOWN);
  return Array.from({ length: count }, (_, i) => {
    if (!colours) return named(things, i);
    const colour = named(colours, i).toLowerCase();
    return things ? t("ask.thing", { colour, kind: named(things, i) }) : t("ask.colour", { value: colour });
  });
}

/** Three of the first row, then one of each other in turn: colours are what people ask for most. */
function dealt(rows) {
  const filled = rows.filter((row) => row.length > 0).map((row) => row.slice());
  const first = filled.length > 0 ? filled[0].splice(0, EACH - 1) : [];
  const longest = Math.max(0, ...filled.map((row) => row.length));
  const rounds = Array.from({ length: longest }, (_, i) => filled.map((row) => row[i]));
  return [...first, ...rounds.flat().filter((text) => text !== undefined)];
}
