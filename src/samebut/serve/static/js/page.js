/** The page: one state, shown by its parts; every change of the state is a step in the history. */

import { PAGE, Refused, facets, find, info } from "./api.js";
import { showCode } from "./code.js";
import { showComparison } from "./compare.js";
import { composer } from "./composer.js";
import { closeOthers } from "./dialogs.js";
import { byId, element, iconButton, isTouch } from "./dom.js";
import { endless, notByHand } from "./endless.js";
import { facts } from "./facts.js";
import { filters } from "./filters.js";
import { grid } from "./grid.js";
import { language, number, speak, t } from "./i18n.js";
import { seenRow } from "./look.js";
import * as moves from "./moves.js";
import { clearNotice, notice, toast } from "./notice.js";
import { prune } from "./own.js";
import { because } from "./reasons.js";
import { roving } from "./roving.js";
import { settings } from "./settings.js";
import { canShare, share } from "./sharing.js";
import * as states from "./state.js";
import { suggestions } from "./suggestions.js";
import { learn } from "./table.js";
import { trail } from "./trail.js";
import { unwanted } from "./unwanted.js";
import { bring, keep, pictureOf, prepared } from "./uploads.js";
import { viewer } from "./viewer.js";
import { showWhy } from "./why.js";

const SEEN = 2_000; // pictures whose metadata is remembered

const isFramed = "framed" in document.documentElement.dataset; // embedded in another site's page

let mostSteps = 10; // turns of a search, until the server has sent its limit
let mostUnwanted = 10; // the same of what is not wanted
let state = states.nothing();
let counted = ""; // the filter for which the values were counted last
let table = Promise.resolve(); // resolves when the table's columns are known
let knows = {}; // what the model knows, a sentence for each language
let answer = null; // what is on screen
let answered = null; // the state it answers
let running = null;
let canUndo = false; // whether Back leads from this state to `answered`
let isUndoing = false;
let isLoadingMore = false;
const seen = new Map(); // metadata of the gallery pictures that were shown, by id

const parts = {
  composer: composer({
    onWords: (text) => go(states.say(state, text)),
    onRefuse: (text) => go(states.refuse(state, { text }, mostUnwanted)),
    onFiles: start,
    onMore: (files) => start(files, states.add),
    onWeight: (weight) => go({ ...state, weight }, { isSlight: true, merge: "weight" }),
    onTyping: (text) => parts.suggestions?.typed(text),
  }),
  trail: trail({
    onBack: (step) => go(states.backTo(state, step)),
    onEdit: (step, text) => go(states.edit(state, step, text)),
    onRemove: (step) => go(states.remove(state, step)),
    onReweigh: (step) =>
      go(states.reweighed(state, step), { isSlight: true, merge: `weight ${step}` }),
    onRestart: () => go({ ...states.nothing(), filters: state.filters }),
  }),
  grid: grid({
    onPick: pickHit,
    onLook: (hit) => look(answer.hits.indexOf(hit)),
    onRefuse: refuseHit,
    canRefuse: () => !states.isEmpty(state),
  }),
  viewer: viewer({
    onPick: pickHit,
    onRefuse: refuseHit,
    canRefuse: () => !states.isEmpty(state),
    onAdd: (hit) => go(states.add(state, { picture: hit.id }), { isTalking: true }),
    canAdd: () => states.isUntold(state),
    onStart: (hit) => go(states.startWith(state, { picture: hit.id }), { isTalking: true }),
    onEnd: () => more({ isScrolling: true }),
    onClose: (place) => parts.grid.focus(place),
    because: (hit) =>
      states.isEmpty(state)
        ? null
        : because(hit, states.referenceAt(state.turns), canExplain() ? () => why(hit) : null),
  }),
  seen: seenRow({
    onName: (called) => go(states.named(state, called)),
    onBox: (box) => go(states.boxed(state, box)),
  }),
  settings: settings(async (tag) => {
    await speak(tag);
    renderParts();
    renderAnswer();
  }),
  unwanted: unwanted((place) => go(states.unrefuse(state, place), { isSlight: true })),
  facts: facts((words) => go(states.ignoring(state, words))),
  filters: null, // with the facets
  suggestions: null,
};

/** This page where nothing is asked; a frame's language and theme are part of its address. */
const bareAddress = () => location.pathname + location.search;

/**
 * Moves to another state. After `isSlight` moves, such as filters, the page does not scroll;
 * moves with the same `merge` are undone together; after `isTalking` moves the words get the focus.
 */
function go(next, { isSlight = false, merge = null, isTalking = false } = {}) {
  const [fitting, done] = states.fitted(next, mostSteps);
  leave();
  canUndo = moves.enter(states.toHash(fitting) || bareAddress(), { merge });
  state = fitting;
  renderState();
  if (!isSlight) toAnswers(isTalking);
  if (done) toast(t(done, { steps: mostSteps }));
  return search();
}

/** Saves what is on screen, for when the visitor comes back to it. */
const leave = () => moves.leave(answered === state ? answer : null);

/** Scrolls to the answers. On a phone it closes the keyboard, which hides half of them. */
function toAnswers(isTalking) {
  if (!isTouch() || isTalking) parts.composer.focus({ preventScroll: true });
  else document.activeElement?.blur();
  notByHand();
  // After words scroll to the answers; after a picture alone to what it shows and to the filters.
  const answers = state.turns.at(-1)?.text ? document.querySelector(".results .bar") : byId("results");
  if (parts.composer.stays()) answers.scrollIntoView({ behavior: "instant" });
  else window.scrollTo({ top: 0, behavior: "instant" });
}

function pickHit(hit) {
  return go(states.pick(state, { picture: hit.id }), { isTalking: true });
}

/** Excludes an answer and what is like it, and searches again. The focus stays at its place. */
async function refuseHit(hit) {
  const place = answer.hits.findIndex(({ id }) => id === hit.id);
  await go(states.refuse(state, { picture: hit.id }, mostUnwanted), { isSlight: true });
  parts.grid.focus(Math.max(0, place));
}

const look = (place) => parts.viewer.look(answer.hits, place);

/**
 * Begins with the visitor's own picture, or goes on as `how` says; the way back is the browser's. One
 * that the browser can't open is shown to the server first: if it can't either, nothing is lost by it.
 */
async function start(files, how = states.startWith) {
  if (files.length === 0) return notice(t("error.no-picture"), t("error.no-picture.hint"));
  if (files.length > 1) toast(t("picture.first", { count: number(files.length) }));
  const picture = await prepared(files[0]);
  const next = how(state, { upload: keep(picture) });
  if (!picture.bitmap && !(await isReadable(next))) return null;
  return go(next);
}

async function isReadable(next) {
  byId("progress").classList.add("running");
  try {
    await find(next, { count: 1 });
    return true;
  } catch (error) {
    refuse(error, null);
    return false;
  } finally {
    byId("progress").classList.remove("running");
  }
}

/** Asks for the state. What was answered before stays on screen until the new answer is there. */
async function search({ count = PAGE, top = null, keepsNotice = false } = {}) {
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  const asked = state;
  parts.grid.wait();
  byId("progress").classList.add("running");
  try {
    if (await bring(states.ownPictures(asked))) renderState();
    const [found] = await Promise.all([find(asked, { count, signal }), table]);
    signal.throwIfAborted();
    if (!keepsNotice) clearNotice();
    show(found, asked);
    if (top !== null) moves.scrollTo(top);
    sayWhatIsMissing();
  } catch (error) {
    if (error.name === "AbortError") return;
    fail(error);
  }
  if (running.signal === signal) byId("progress").classList.remove("running");
}

function show(found, asked) {
  answer = found;
  answered = asked;
  remember(answer.hits);
  renderAnswer();
}

/** Undoes a step whose refusal would be repeated by every later search; offers a retry for others. */
function fail(error) {
  parts.grid.stay();
  const isLasting = error instanceof Refused && !error.canRetry;
  if (isLasting) undo();
  else renderAnswer();
  refuse(error, isLasting ? null : search);
}

/** Returns to the last answered state, with the words of the refused step in the field. */
function undo() {
  const isStart = states.isEmpty(state) && Object.keys(state.filters).length === 0;
  if (!answered && isStart) return;
  parts.composer.giveBack(state.turns.at(-1)?.text ?? "");
  if (answered && canUndo) {
    isUndoing = true;
    history.back();
    return;
  }
  state = answered ?? states.nothing();
  moves.replace(states.toHash(state) || bareAddress());
  renderState();
  if (answered) renderAnswer();
  else search({ keepsNotice: true });
}

/** Back or Forward led to another search. Its answers are at hand if it was left not long ago. */
function arrive() {
  closeOthers();
  const keepsNotice = isUndoing;
  isUndoing = canUndo = false;
  [state] = states.fitted(states.fromHash(location.hash), mostSteps);
  renderState();
  bring(states.ownPictures(state)).then((came) => came && renderState());
  const { answer: before, shown, top } = moves.place();
  if (!before) return search({ count: shown, top: top ?? 0, keepsNotice });
  running?.abort();
  byId("progress").classList.remove("running");
  if (!keepsNotice) clearNotice();
  show(before, state);
  moves.scrollTo(top ?? 0);
  return openAgain();
}

/** Opens the viewer if it was open at this history entry. */
function openAgain() {
  if (moves.openOver().at(-1) === "viewer" && answer && !byId("viewer").open) look(moves.note("look"));
}

async function more({ isScrolling = false } = {}) {
  if (isLoadingMore || !answer || isWhole(answer)) return;
  const asked = answered;
  const first = answer.hits.length;
  isLoadingMore = true;
  byId("more").setAttribute("aria-busy", "true");
  try {
    const next = await find(asked, { offset: first });
    if (asked !== answered) return;
    if (byId("more").matches(".failed")) clearNotice();
    remember(next.hits);
    answer = { ...answer, hits: [...answer.hits, ...next.hits], isLast: next.hits.length < PAGE };
    parts.grid.append(next.hits);
    parts.viewer.goOn(answer.hits);
    renderMore();
    if (!isScrolling) parts.grid.focus(first);
  } catch (error) {
    refuse(error, more);
    byId("more").classList.add("failed"); // scrolling must not retry: only the button does
  } finally {
    isLoadingMore = false;
    byId("more").removeAttribute("aria-busy");
  }
}

const isWhole = ({ hits, total, isLast = hits.length < PAGE }) => isLast || hits.length >= total;

/** Shows a `Refused`; rethrows unexpected errors, for the console. */
function refuse(error, onRetry) {
  if (!(error instanceof Refused)) throw error;
  notice(error.message, error.hint, { onRetry: onRetry && (() => onRetry()) });
}

const refuseOnce = (error) => refuse(error, null);

function remember(hits) {
  for (const hit of hits) {
    seen.delete(hit.id);
    seen.set(hit.id, hit.metadata);
  }
  while (seen.size > SEEN) seen.delete(seen.keys().next().value);
}

/** Whether a turn's picture is one of the gallery or of this browser, if it has any. */
const isHere = ({ upload }) => upload === null || pictureOf(upload) !== undefined;

/** A link can't hold somebody's own picture. Say so instead of quietly searching without it. */
function sayWhatIsMissing() {
  if (!state.turns.every(isHere)) notice(t("link.missing"), t("link.missing.hint"), { kind: "advice" });
}

/** Renders the parts that depend on the gallery's facets, in the current language. */
function renderParts() {
  parts.filters = filters((chosen) => go({ ...state, filters: chosen }, { isSlight: true }));
  counted = "";
  parts.suggestions = suggestions((text) => {
    byId("words").value = "";
    go(states.say(state, text));
  });
  parts.settings.render();
  byId("knows").textContent = knows[language()] ?? "";
  renderState();
}

function renderState() {
  document.body.classList.toggle("asked", !states.isEmpty(state));
  document.title = state.turns.at(-1)?.text ? `${state.turns.at(-1).text} · samebut` : t("title");
  parts.trail.render(state);
  parts.composer.render(state);
  parts.unwanted.render(state);
  parts.seen.render(state, { isAnswered: answered === state });
  parts.filters?.render(state);
  parts.suggestions?.render(state, (id) => seen.get(id));
}

/** Counts the values of the filters among what passes now, once for every filter. */
async function count() {
  const where = answer?.where ?? states.whereOf(state.filters);
  if (!parts.filters || where === counted) return;
  counted = where;
  try {
    const { shown } = await facets(where || null);
    if (where === counted) parts.filters.count(shown);
  } catch (error) {
    counted = null; // the next answer tries again: old counts must not break an answer
    if (!(error instanceof Refused)) throw error;
  }
}

function renderAnswer() {
  byId("results-heading").textContent = t(states.isEmpty(state) ? "results.browse" : "results.found");
  byId("count").textContent = answer ? countText() : "";
  byId("unread").textContent = unreadText(answer?.unread ?? []);
  parts.facts.render(answer?.filters ?? []);
  byId("lent").textContent = lentText(answer?.lent ?? []);
  byId("unsure").textContent = unsureText(answer);
  parts.seen.render(state, { isAnswered: answered === state });
  renderTools();
  if (!answer) return;
  count();
  parts.grid.show(answer.hits);
  renderMore();
  parts.suggestions?.render(state, (id) => seen.get(id));
}

function countText() {
  const total = number(answer.total);
  if (answer.hits.length === 0) return t("results.none");
  if (states.isEmpty(state)) return t("results.pictures", { total });
  const spent = Object.values(answer.milliseconds).reduce((sum, part) => sum + part, 0);
  return t("results.ranked", { total, spent: number(Math.max(1, Math.round(spent))) });
}

const unreadText = (texts) => (texts.length ? t("results.unread", { text: texts.join(" … ") }) : "");

/** What was taken from which picture. */
function lentText(lent) {
  const parts = lent.map(({ picture, say }) => t("lent.part", { number: picture + 1, say }));
  return lent.length ? t("lent", { parts: parts.join(t("values.join")) }) : "";
}

/** Says that perhaps no answer is what was meant, what the gallery has instead, and what to do. */
function unsureText(found) {
  if (!found?.unsure || found.hits.length === 0) return "";
  const kinds = found.holds.map(({ label }) => label[language()]).join(t("values.join"));
  const holds = kinds ? t("results.holds", { kinds }) : "";
  const canName = states.referenceStep(state.turns) >= 0;
  return [t("results.unsure"), holds, t(canName ? "results.name" : "results.reword")].filter(Boolean).join(" ");
}

/** Whether the latest words go on about a picture that is here. */
function canExplain() {
  const step = states.composedStep(state.turns);
  const isOfOne = !answer?.lent?.length; // words about several can't be located in one
  return answered === state && step >= 0 && isOfOne && isHere(states.referenceAt(state.turns, step));
}

const why = (hit) => showWhy(answered, hit, refuseOnce);

function renderTools() {
  const tool = (name, key, onclick) => iconButton(name, t(key), onclick, { shown: true });
  const hasAnswer = answered === state && !states.isEmpty(state);
  const isComposed = canExplain();
  const tools = [
    isComposed && answer.hits.length > 0 ? tool("eye", "why", () => why(answer.hits[0])) : null,
    isComposed ? tool("columns", "compare", () => showComparison(state, pickHit, refuseOnce)) : null,
    hasAnswer ? tool("link", canShare() ? "share" : "link", () => share(state)) : null,
    hasAnswer && !isFramed ? tool("code", "code", () => showCode(state, toastCopied)) : null,
  ];
  byId("tools").replaceChildren(...tools.filter((each) => each !== null));
}

const toastCopied = (isCopied) => toast(t(isCopied ? "code.copied" : "copy.failed"));

/** Offers the next page while there may be one; says so where nothing fits. */
function renderMore() {
  const button = element(
    "button",
    { type: "button", class: "secondary", onclick: () => more() },
    t("results.more"),
  );
  const empty = element(
    "div",
    { class: "empty" },
    element("p", {}, element("b", {}, t("results.none"))),
    ...answer.nothing.map((sentence) => element("p", {}, sentence)),
    element("p", {}, t("results.none.hint")),
  );
  const shown = answer.hits.length === 0 ? [empty] : isWhole(answer) ? [] : [button];
  byId("more").classList.remove("failed");
  byId("more").replaceChildren(...shown);
}

moves.onArrival(arrive, () => (closeOthers(), openAgain()), leave);
window.addEventListener("pagehide", leave);
endless(byId("more"), () => byId("more").matches(".failed") || more({ isScrolling: true }));
for (const row of ["suggestions", "filters", "tools"]) roving(byId(row));

window.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, textarea, dialog, [popover]");
  if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  parts.composer.focus();
});

/* The part of the address after "#" is the search, so skip links must not change it. */
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("results-heading").focus();
});

byId("home").addEventListener("click", (event) => {
  event.preventDefault();
  go(states.nothing());
});

async function begin() {
  moves.begin();
  [state] = states.fitted(states.fromHash(location.hash), mostSteps);
  const { shown = PAGE, top } = moves.place();
  if (states.ownPictures(state).length > 0) await bring(states.ownPictures(state));
  renderState();
  parts.settings.render();
  delete document.documentElement.dataset.starting;
  // The document preloads the start page: it can't know the search in the address.
  if (location.hash || shown !== PAGE) find(states.nothing()).catch(() => {});
  table = facets().then(learn, () => {}); // if it fails there are no filters, but answers
  const [, said] = await Promise.allSettled([table, info(), search({ count: shown, top })]);
  byId("filters").removeAttribute("aria-busy");
  if (said.status === "fulfilled") {
    knows = said.value.model.knows;
    mostSteps = said.value.limits.turns;
    mostUnwanted = said.value.limits.without;
  }
  renderParts();
  openAgain();
  prune();
}

begin();
