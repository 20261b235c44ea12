/**
 * What is it? What the server sees in the reference, as chips: a tap says so ("as a skirt") in every
 * wish about it, another one takes it back, and a list corrects it to another value of the gallery.
 * And a way to choose the one thing that is meant in a picture of several.
 */

import { Refused, look } from "./api.js";
import { chooseBox } from "./boxing.js";
import { byId, element, iconButton } from "./dom.js";
import { language, t } from "./i18n.js";
import { referenceStep } from "./state.js";
import { pictureOf } from "./uploads.js";

const CHIPS = { article: 3, colour: 2 }; // guesses shown of each kind of column
const REMEMBERED = 40; // pictures
const found = new Map(); // what was seen, by picture and part

const nameOf = ({ picture, upload, box }) => `${picture}/${upload}/${box}`;

/** Wires the row to `onName(called)` and `onBox(box)`. */
export function seenRow({ onName, onBox }) {
  const row = byId("seen");
  let shown = null; // the state whose reference is looked at
  const draw = (state, seen) => {
    const turn = state.turns[referenceStep(state.turns)];
    const choices = Object.keys(CHIPS).map((kind) => seen.filter((each) => each.kind === kind));
    const chosen = chosenIn(turn.called, choices.flat());
    const toggle = (value) => {
      const others = chosen.filter(({ kind }) => kind !== value.kind);
      const next = chosen.includes(value) ? others : [...others, value];
      onName(spoken(next));
    };
    const groups = choices.map((values) => group(values, chosen, toggle)).filter((each) => each !== null);
    const part = iconButton("crop", t(turn.box ? "box.other" : "box.choose"), () => chooseBox(turn, onBox), {
      class: "quiet",
      shown: true,
    });
    const heading = groups.length > 0 ? [element("h2", {}, t("seen"))] : [];
    row.replaceChildren(...heading, ...groups, ...(isDrawable(turn) ? [part] : []));
    row.hidden = row.children.length === 0;
  };
  return {
    /** Shows what is known of a state's reference, and asks for it once its answers are there. */
    async render(state, { isAnswered = false } = {}) {
      const turn = state.turns[referenceStep(state.turns)];
      shown = state;
      row.hidden = !turn;
      if (!turn) return;
      const name = nameOf(turn);
      const isOwn = turn.upload !== null && pictureOf(turn.upload);
      if (isAnswered && isOwn && !found.has(name)) await remember(name, turn);
      if (shown === state) draw(state, found.get(name) ?? []);
    },
  };
}

/** Ignores a failure, since searching works without this; the next answer tries again. */
async function remember(name, turn) {
  try {
    const { seen } = await look(turn);
    found.set(name, seen);
    if (found.size > REMEMBERED) found.delete(found.keys().next().value);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
  }
}

const isDrawable = ({ picture, upload }) => picture !== null || Boolean(pictureOf(upload)?.bitmap);

/** The values whose words, joined, are `text`, in any language; none if it says anything else. */
function chosenIn(text, values) {
  const parts = text.split(/, |，/);
  const meant = parts.map((part) => values.find(({ say }) => Object.values(say).includes(part)));
  return meant.includes(undefined) ? [] : meant;
}

const spoken = (values) =>
  values.map(({ say }) => say[language()]).join(language() === "zh" ? "，" : ", ");

function group(values, chosen, toggle) {
  if (values.length === 0) return null;
  const [{ kind }] = values;
  const first = values.slice(0, CHIPS[kind]);
  const picked = chosen.find((each) => each.kind === kind);
  const shown = picked && !first.includes(picked) ? [picked, ...first.slice(0, -1)] : first;
  const chips = shown.map((value) =>
    element(
      "button",
      { type: "button", class: "chip", "aria-pressed": String(value === picked), onclick: () => toggle(value) },
      value.label[language()],
    ),
  );
  const rest = values.filter((value) => !shown.includes(value));
  const label = t(`seen.${kind}`);
  return element(
    "div",
    { class: "guesses", role: "group", "aria-label": label },
    ...chips,
    rest.length > 0 ? others(rest, kind, toggle) : null,
  );
}

/** The other values of the column, in the order of their names. */
function others(values, kind, toggle) {
  const named = values
    .map((value) => ({ value, label: value.label[language()] }))
    .sort((one, other) => one.label.localeCompare(other.label, language()));
  const options = named.map(({ label }, i) => element("option", { value: i }, label));
  const list = element(
    "select",
    { class: "chip", "aria-label": t(`seen.${kind}.other`) },
    element("option", { value: "" }, t("seen.other")),
    ...options,
  );
  list.addEventListener("change", () => list.value && toggle(named[Number(list.value)].value));
  return list;
}
