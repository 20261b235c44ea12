/**
 * The browser's history: an entry for every search, and one over it for every open dialog. So Back
 * closes what is open, then undoes one step, and leaves the page only from its first entry.
 *
 * An entry holds `search`, which search it is of; `dialogs`, the ids of what is open over it; `top`,
 * how far the page was scrolled; `shown`, how many answers; and `merge`, what kind of small change.
 */

const LEFT = "samebut.left"; // in storage: history entries written while a page closes are lost
const REMEMBERED = 20; // searches whose answers are kept for going back
const answers = new Map(); // by search: what was shown, the last used at the end
const tops = new Map(); // by search: how far down the page was left
let here = null; // the search on screen
let made = 0;

const entry = () => history.state ?? {};
const fresh = () => `${performance.timeOrigin}-${++made}`;

/** Starts with the history entry that the page was opened or reloaded at. */
export function begin() {
  history.scrollRestoration = "manual"; // answers come later than the browser would scroll
  if (!entry().search) history.replaceState({ search: fresh() }, "");
  here = entry().search;
}

/**
 * A new search at an address. The entry of an open dialog becomes its entry, and so does that of a
 * change of the same kind (`merge`), such as the slider's. Returns whether Back undoes it.
 */
export function enter(address, { merge = null } = {}) {
  const isMerged = merge !== null && entry().merge === merge;
  here = fresh();
  const isOver = openOver().length > 0;
  history[isMerged || isOver ? "replaceState" : "pushState"]({ search: here, merge }, "", address);
  return !isMerged;
}

/** Replaces the search of the current entry. */
export function replace(address) {
  here = fresh();
  history.replaceState({ search: here }, "", address);
}

/** Saves the state of the entry that is left, before a new one is made or another is reached. */
export function leave(answer) {
  const top = scrolled();
  tops.set(here, top);
  answers.delete(here);
  if (answer) answers.set(here, answer);
  if (answers.size > REMEMBERED) answers.delete(answers.keys().next().value);
  if (tops.size > 10 * REMEMBERED) tops.delete(tops.keys().next().value);
  const left = { search: here, top, shown: answer?.hits.length };
  atHand(() => sessionStorage.setItem(LEFT, JSON.stringify(left))); // for a reload
  if (entry().search === here) history.replaceState({ ...entry(), ...left }, "");
}

/**
 * How far the page is scrolled. Beyond the top of the answers it is a negative number, measured from
 * there: what is above them may load later or get another height.
 */
function scrolled() {
  const down = document.getElementById("grid").getBoundingClientRect().top;
  return Math.round(down < 0 ? down : window.scrollY);
}

/** Scrolls to what `scrolled` was. */
export function scrollTo(place) {
  const down = document.getElementById("grid").getBoundingClientRect().top + window.scrollY;
  window.scrollTo({ top: place < 0 ? down - place : place, behavior: "instant" });
}

/** Storage may be forbidden; then a reload begins at the top. */
function atHand(action) {
  try {
    return action();
  } catch {
    return null;
  }
}

/** `{answer, shown, top}` of the entry on screen, as far as they are known. */
export function place() {
  const left = atHand(() => JSON.parse(sessionStorage.getItem(LEFT)));
  const { search, shown, top } = left?.search === entry().search ? left : entry();
  return { answer: answers.get(search) ?? null, shown, top: tops.get(search) ?? top ?? null };
}

/** Calls `onSearch()` when Back or Forward lead to another search, `onDialogs()` if to the same. */
export function onArrival(onSearch, onDialogs, onLeaving) {
  window.addEventListener("popstate", () => {
    if (entry().search && entry().search === here) return onDialogs();
    onLeaving();
    if (!entry().search) history.replaceState({ search: fresh() }, ""); // an address typed by hand
    here = entry().search;
    return onSearch();
  });
}

/** The ids of the dialogs that are open at this entry, the topmost last. */
export const openOver = () => entry().dialogs ?? [];

/** A dialog opened: the way back closes it. `about` is kept in its entry. */
export function opened(id, about = {}) {
  if (openOver().includes(id)) return noted(about); // after a reload, or the way forward
  const isStale = openOver().some((each) => !document.getElementById(each).open);
  const below = openOver().filter((each) => document.getElementById(each).open);
  const next = { ...entry(), ...about, merge: null, dialogs: [...below, id] };
  history[isStale ? "replaceState" : "pushState"](next, "");
}

/** A dialog closed, by whatever way: its entry is removed, unless another one followed it or it is gone. */
export function closed(id) {
  if (openOver().at(-1) === id) history.back();
}

/** Stores something in this entry, for when the visitor returns to it. */
export const noted = (about) => history.replaceState({ ...entry(), ...about }, "");
export const note = (name) => entry()[name];
