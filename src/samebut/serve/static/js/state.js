/**
 * What is being asked, as plain data: `{turns, weight, filters, ignore, without}`. Every change makes a new state, so
 * the browser's own back button is the undo. A turn is `{picture, upload, box, called, text, weight}`: a gallery
 * number, or the key of the visitor's own picture, or neither; the part of it that is meant, as left,
 * top, right and bottom, 0 to 1, or null; what it is `called`, or ""; words, or ""; and how much it counts
 * beside other pictures. `ignore` has words
 * that were read as filters and shall be none. `without` is what is not wanted, each as a gallery number or
 * words: `{picture, text}`.
 */

export const NEUTRAL = 0.5;
const WEIGHTS = [1, 2, 4, 0.25, 0.5]; // of a picture beside others, in turn
const FINE = 1000; // steps of a box's edges in an address
const FIRST_COMMA = /^([^,]*),(.*)$/s;

export const nothing = () => ({ turns: [], weight: NEUTRAL, filters: {}, ignore: [], without: [] });

const turn = (part) => ({ picture: null, upload: null, box: null, called: "", text: "", weight: 1, ...part });

export const hasPicture = (each) => each.picture !== null || each.upload !== null;

const LONGEST = 200; // characters of folded words; of a longer text a model reads the beginning

/**
 * The state with at most `most` turns, and what was done for it: null, "steps.folded" if the oldest wishes
 * became one, "steps.dropped" if the oldest is gone. Otherwise the server would refuse a long conversation.
 */
export function fitted(state, most) {
  if (state.turns.length === 0) return [{ ...state, without: [] }, null]; // excluding needs a question
  const excess = state.turns.length - most;
  if (excess <= 0) return [state, null];
  const [first, second, ...rest] = state.turns;
  const text = [first.text, second.text].filter(Boolean).join(", ");
  const isFolded = !hasPicture(second) && text.length <= LONGEST;
  // A later picture counts more than all that was said about the one before it.
  const oldest = hasPicture(second) ? second : { ...first, text: isFolded ? text : second.text };
  const [fitting, done] = fitted({ ...state, turns: [oldest, ...rest] }, most);
  return [fitting, done === "steps.dropped" || !isFolded ? "steps.dropped" : "steps.folded"];
}

/** The keys of the visitor's own pictures that a state speaks of. */
export const ownPictures = (state) =>
  state.turns.map((each) => each.upload).filter((key) => key !== null);

/** Adds words: to the latest picture if it has none yet, else as a new step. */
export function say(state, text) {
  const last = state.turns.at(-1);
  const turns =
    last && !last.text
      ? [...state.turns.slice(0, -1), { ...last, text }]
      : [...state.turns, turn({ text })];
  return { ...state, turns, ignore: state.ignore.filter((words) => !text.includes(words)) };
}

/** Stops words from being read as a filter. */
export const ignoring = (state, words) => ({ ...state, ignore: [...state.ignore, words] });

/** Excludes words or a picture. Of more than `most` the oldest is dropped. */
export function refuse(state, { picture = null, text = "" }, most) {
  const others = state.without.filter((each) => each.picture !== picture || each.text !== text);
  return { ...state, without: [...others, { picture, text }].slice(-most) };
}

/** Removes an exclusion. */
export const unrefuse = (state, place) => ({
  ...state,
  without: state.without.filter((_, i) => i !== place),
});

/** Takes a picture as the next reference. It replaces the latest one if no words were added to that. */
export function pick(state, picture) {
  const last = state.turns.at(-1);
  const kept = last && !last.text ? state.turns.slice(0, -1) : state.turns;
  const without = state.without.filter((each) => each.picture === null || each.picture !== picture.picture);
  return { ...state, turns: [...kept, turn(picture)], without };
}

/** Takes one more picture beside the reference, for words about both. */
export const add = (state, picture) => ({ ...state, turns: [...state.turns, turn(picture)] });

/** Whether the latest step is a picture that nothing was said of. */
export const isUntold = ({ turns }) => turns.length > 0 && hasPicture(turns.at(-1)) && !turns.at(-1).text;

/** The pictures of a state with the numbers that words call them by, from 1: `[[number, step], ...]`. */
const numbered = (turns) =>
  turns.flatMap((each, step) => (hasPicture(each) ? [step] : [])).map((step, i) => [i + 1, step]);

/** The number of a step's picture, or null where there is one alone or none. */
export function numberOf(turns, step) {
  const all = numbered(turns);
  return all.length > 1 ? (all.find(([, each]) => each === step)?.[0] ?? null) : null;
}

/**
 * The pictures that the words in the field can be about, as `[number, turn]`: the reference and those
 * before it that nothing was said of.
 */
export function references(turns) {
  const all = numbered(turns);
  const talked = all.findLastIndex(([, step], i) => i < all.length - 1 && isTalkedAbout(turns, step));
  return all.slice(talked + 1).map(([number, step]) => [number, turns[step]]);
}

const isTalkedAbout = (turns, step) =>
  Boolean(turns[step].text) || Boolean(turns[step + 1] && !hasPicture(turns[step + 1]));

/** A new conversation that begins with a picture; filters stay. */
export const startWith = (state, picture) => ({
  ...nothing(),
  filters: state.filters,
  turns: [turn(picture)],
});

/** The step whose picture is the reference; -1 if there is none. */
export const referenceStep = (turns) => turns.findLastIndex(hasPicture);

/** The reference is a part of its picture alone, or all of it if `box` is null. */
export function boxed(state, box) {
  const step = referenceStep(state.turns);
  return { ...state, turns: state.turns.map((each, i) => (i === step ? { ...each, box } : each)) };
}

/** The reference is what it is `called`, in every wish about it; "" takes that back. */
export function named(state, called) {
  const step = referenceStep(state.turns);
  return { ...state, turns: state.turns.map((each, i) => (i === step ? { ...each, called } : each)) };
}

/** The picture of a step counts more beside the others, then less, then as usual again. */
export function reweighed(state, step) {
  const next = (weight) => WEIGHTS[(WEIGHTS.indexOf(weight) + 1) % WEIGHTS.length];
  const turns = state.turns.map((each, i) => (i === step ? { ...each, weight: next(each.weight) } : each));
  return { ...state, turns };
}

export const backTo = (state, step) => ({ ...state, turns: state.turns.slice(0, step + 1) });

/** Other words for a step. A step without a picture is removed if its words become empty. */
export function edit(state, step, text) {
  if (!text && !hasPicture(state.turns[step])) return remove(state, step);
  const turns = state.turns.map((each, i) => (i === step ? { ...each, text } : each));
  return { ...state, turns };
}

/** Removes a step. If the next one spoke about its picture, it inherits the picture. */
export function remove(state, step) {
  const { picture, upload, box, called, weight } = state.turns[step];
  const turns = state.turns.filter((_, i) => i !== step);
  const next = turns[step];
  if (next && !hasPicture(next)) turns[step] = { ...next, picture, upload, box, called, weight };
  return { ...state, turns };
}

/** The picture a step speaks about: its own or the latest before it, as a turn; or null. */
export function referenceAt(turns, step = turns.length - 1) {
  return turns.slice(0, step + 1).findLast(hasPicture) ?? null;
}

/** The step "why" can explain: the latest that joins words to a picture; -1 if there is none. */
export function composedStep(turns) {
  return turns.findLastIndex(
    ({ text, called }, step) => (text || called) && referenceAt(turns, step) !== null,
  );
}

export const isEmpty = (state) => state.turns.length === 0;

/** The filters in the language of `where`, or "" without any. */
export function whereOf(filters) {
  const tests = Object.entries(filters)
    .filter(([, values]) => values.length > 0)
    .map(([column, values]) => `${quoted(column, '"')} in (${values.map(literal).join(", ")})`);
  return tests.join(" and ");
}

const literal = (value) => quoted(value, "'");
const quoted = (text, mark) => mark + text.replaceAll(mark, mark + mark) + mark;

/** The values that are chosen of a column; a column may have any name, "constructor" too. */
export const chosenOf = (filters, column) =>
  Object.hasOwn(filters, column) ? filters[column] : [];

/** The filters with one value of a column taken in or out. */
export function toggled(filters, column, value) {
  const values = chosenOf(filters, column);
  const now = values.includes(value) ? values.filter((v) => v !== value) : [...values, value];
  return now.length > 0 ? { ...without(filters, column), [column]: now } : without(filters, column);
}

/** The filters without those of a column. */
export function without(filters, column) {
  const { [column]: _, ...others } = filters;
  return others;
}

/** The state as the part of an address after "#". That part is never sent to a server. */
export function toHash(state) {
  const said = new URLSearchParams();
  for (const { picture, upload, box, text } of state.turns) {
    const who = upload === null ? (picture ?? "") : `my-${upload}`;
    const part = box ? `~${box.map((share) => Math.round(share * FINE)).join("-")}` : "";
    said.append("t", `${who}${part},${text}`);
  }
  state.turns.forEach(({ called, weight }, step) => {
    if (called) said.append("c", `${step},${called}`);
    if (weight !== 1) said.append("p", `${step},${weight}`);
  });
  if (state.weight !== NEUTRAL) said.set("w", String(state.weight));
  for (const [column, values] of Object.entries(state.filters)) {
    for (const value of values) said.append("f", JSON.stringify([column, value]));
  }
  for (const words of state.ignore) said.append("i", words);
  for (const { picture, text } of state.without) said.append("n", `${picture ?? ""},${text}`);
  const hash = said.toString();
  return hash && `#${hash}`;
}

/** The state an address asks for. What can't be understood in it is left out. */
export function fromHash(hash) {
  const said = new URLSearchParams(hash.replace(/^#/, ""));
  const weight = Number.parseFloat(said.get("w") ?? "");
  const turns = said.getAll("t").map(readTurn).filter((each) => hasPicture(each) || each.text);
  for (const [step, called] of said.getAll("c").map((each) => FIRST_COMMA.exec(each)?.slice(1) ?? [])) {
    if (turns[step] && hasPicture(turns[step])) turns[step].called = called;
  }
  for (const [step, weight] of said.getAll("p").map((each) => each.split(",").map(Number))) {
    if (turns[step] && WEIGHTS.includes(weight)) turns[step].weight = weight;
  }
  const pairs = said.getAll("f").map(readPair).filter((pair) => pair !== null);
  return {
    turns,
    weight: weight >= 0 && weight <= 1 ? weight : NEUTRAL,
    filters: pairs.reduce((filters, [column, value]) => toggled(filters, column, value), {}),
    ignore: said.getAll("i").filter((words) => words),
    without: said.getAll("n").map(readUnwanted).filter(({ picture, text }) => picture !== null || text),
  };
}

function readTurn(written) {
  const [, whole, text] = FIRST_COMMA.exec(written) ?? [null, "", written];
  const [who, part = ""] = whole.split("~");
  const box = readBox(part);
  if (who.startsWith("my-")) return turn({ upload: who.slice(3), box, text });
  const isNumber = /^\d{1,15}$/.test(who);
  return turn({ picture: isNumber ? Number(who) : null, box: isNumber ? box : null, text });
}

function readUnwanted(written) {
  const { picture, text } = readTurn(written);
  return { picture, text };
}

function readBox(written) {
  const shares = /^\d{1,4}(-\d{1,4}){3}$/.test(written) ? written.split("-").map(Number) : [0, 0, 0, 0];
  const [left, top, right, bottom] = shares;
  const isPart = left < right && top < bottom && right <= FINE && bottom <= FINE;
  return isPart ? shares.map((share) => share / FINE) : null;
}

function readPair(written) {
  try {
    const pair = JSON.parse(written);
    const right = Array.isArray(pair) && pair.length === 2;
    return right && pair.every((part) => typeof part === "string") ? pair : null;
  } catch {
    return null;
  }
}
