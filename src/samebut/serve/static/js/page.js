/** The page: one state, shown by its parts; every change of the state is a step in the history. */

import { PAGE, Refused, facets, find, info } from "./api.js";
import { copied, showCode } from "./code.js";
import { showComparison } from "./compare.js";
import { composer } from "./composer.js";
import { byId, element, iconButton, isTouch, scrolling } from "./dom.js";
import { filters } from "./filters.js";
import { grid } from "./grid.js";
import { language, number, speak, t } from "./i18n.js";
import { clearNotice, notice, toast } from "./notice.js";
import { settings } from "./settings.js";
import * as states from "./state.js";
import { suggestions } from "./suggestions.js";
import { trail } from "./trail.js";
import { keep, pictureOf } from "./uploads.js";
import { viewer } from "./viewer.js";
import { showWhy } from "./why.js";

const UNSURE = 0.3; // as samebut.confidence has it

const isFramed = "framed" in document.documentElement.dataset; // in a page of another site

let state = states.fromHash(location.hash);
let columns = {};
let knows = {}; // what the model knows, a sentence for each language
let answer = null;
let running = null;
const seen = new Map(); // metadata of the gallery pictures that were shown, by id

const parts = {
  composer: composer({
    onWords: (text) => go(states.say(state, text)),
    onFiles: start,
    onWeight: (weight) => go({ ...state, weight }, { isSlight: true }),
    onTyping: (text) => parts.suggestions?.typed(text),
  }),
  trail: trail({
    onBack: (step) => go(states.backTo(state, step)),
    onEdit: (step, text) => go(states.edit(state, step, text)),
    onRemove: (step) => go(states.remove(state, step)),
    onRestart: () => go({ ...states.nothing(), filters: state.filters }),
  }),
  grid: grid({ onPick: pickHit, onLook: (hit) => parts.viewer.look(answer.hits, hit) }),
  viewer: viewer({
    onPick: pickHit,
    onStart: (hit) => go(states.startWith(state, { picture: hit.id })),
    onClose: (place) => parts.grid.focus(place),
  }),
  settings: settings(async (tag) => {
    await speak(tag);
    renderParts();
    renderAnswer();
  }),
  filters: null, // with the facets
  suggestions: null,
};

/** Moves to another state. `isSlight` moves replace the last one in the history. */
function go(next, { isSlight = false } = {}) {
  state = next;
  const address = states.toHash(state) || location.pathname;
  history[isSlight ? "replaceState" : "pushState"](null, "", address);
  renderState();
  if (!isTouch() && !isSlight) parts.composer.focus();
  return search();
}

function pickHit(hit) {
  window.scrollTo({ top: 0, behavior: scrolling() });
  return go(states.pick(state, { picture: hit.id }));
}

/** Begins with the visitor's own picture; the way back is the browser's. */
async function start(files) {
  if (files.length === 0) return notice(t("error.no-picture"), t("error.no-picture.hint"));
  return go(states.startWith(state, { upload: await keep(files[0]) }));
}

async function search() {
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  parts.grid.wait();
  byId("progress").classList.add("running");
  try {
    answer = await find(state, { signal });
    clearNotice();
    remember(answer.hits);
    renderAnswer();
    sayWhatIsMissing();
  } catch (error) {
    if (error.name === "AbortError") return;
    answer = null;
    parts.grid.clear();
    renderAnswer();
    refuse(error, search);
  }
  if (running.signal === signal) byId("progress").classList.remove("running");
}

async function more() {
  const asked = state;
  byId("more").replaceChildren();
  try {
    const next = await find(asked, { offset: answer.hits.length });
    if (asked !== state) return;
    const first = answer.hits.length;
    remember(next.hits);
    answer = { ...answer, hits: [...answer.hits, ...next.hits] };
    parts.grid.append(next.hits);
    renderMore(next.hits.length);
    parts.grid.focus(first);
  } catch (error) {
    refuse(error, more);
    renderMore(PAGE);
  }
}

/** Errors that nobody foresaw go on to the console. */
function refuse(error, onRetry) {
  if (!(error instanceof Refused)) throw error;
  notice(error.message, error.hint, { onRetry });
}

const refuseOnce = (error) => refuse(error, null);

function remember(hits) {
  for (const hit of hits) seen.set(hit.id, hit.metadata);
}

/** Whether a turn's picture is one of the gallery or of this tab, if it has any. */
const isHere = ({ upload }) => upload === null || pictureOf(upload) !== undefined;

/** A link can't hold somebody's own picture. Say so instead of quietly searching without it. */
function sayWhatIsMissing() {
  if (!state.turns.every(isHere)) notice(t("link.missing"), t("link.missing.hint"), { kind: "advice" });
}

async function share() {
  const hasOwn = state.turns.some(({ upload }) => upload !== null);
  const link = new URL(`./${location.hash}`, location.href).href; // the page, not its frame
  if (!(await copied(link))) return toast(t("copy.failed"));
  return hasOwn ? notice(t("link.own"), t("link.own.hint"), { kind: "advice" }) : toast(t("link.copied"));
}

/** The parts that are made of the gallery's facets, in the language of the moment. */
function renderParts() {
  parts.filters = filters(columns, (chosen) => go({ ...state, filters: chosen }, { isSlight: true }));
  parts.suggestions = suggestions(columns, (text) => {
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
  parts.filters?.render(state);
  parts.suggestions?.render(state, (id) => seen.get(id));
}

function renderAnswer() {
  byId("results-heading").textContent = t(states.isEmpty(state) ? "results.browse" : "results.found");
  byId("count").textContent = answer ? countText() : "";
  byId("unread").textContent = unreadText(answer?.unread ?? []);
  renderTools();
  if (!answer) return;
  parts.grid.show(answer.hits);
  renderMore(answer.hits.length);
  parts.suggestions?.render(state, (id) => seen.get(id));
}

function countText() {
  const total = number(answer.total);
  if (answer.hits.length === 0) return t("results.none");
  if (states.isEmpty(state)) return t("results.pictures", { total });
  const spent = Object.values(answer.milliseconds).reduce((sum, part) => sum + part, 0);
  const ranked = t("results.ranked", { total, spent: number(Math.max(1, Math.round(spent))) });
  return isUnsure(answer) ? `${ranked} · ${t("results.unsure")}` : ranked;
}

const unreadText = (texts) => (texts.length ? t("results.unread", { text: texts.join(" … ") }) : "");

/** Without a calibration of the model the confidence is null: then nothing is said of it. */
const isUnsure = ({ confidence }) => confidence !== null && confidence < UNSURE;

function renderTools() {
  const tool = (name, key, onclick) => iconButton(name, t(key), onclick, { shown: true });
  const hasAnswer = answer !== null && !states.isEmpty(state);
  const step = states.composedStep(state.turns);
  const canExplain = hasAnswer && step >= 0 && isHere(states.referenceAt(state.turns, step));
  const tools = [
    canExplain ? tool("eye", "why", () => showWhy(state, refuseOnce)) : null,
    canExplain ? tool("columns", "compare", () => showComparison(state, pickHit, refuseOnce)) : null,
    hasAnswer ? tool("link", "link", share) : null,
    hasAnswer && !isFramed ? tool("code", "code", () => showCode(state, toastCopied)) : null,
  ];
  byId("tools").replaceChildren(...tools.filter((each) => each !== null));
}

const toastCopied = (isCopied) => toast(t(isCopied ? "code.copied" : "copy.failed"));

/** A way to the next page while there may be one; words where nothing fits. */
function renderMore(got) {
  const isAll = got < PAGE || answer.hits.length >= answer.total;
  const button = element(
    "button",
    { type: "button", class: "secondary", onclick: more },
    t("results.more"),
  );
  const empty = element(
    "div",
    { class: "empty" },
    element("p", {}, element("b", {}, t("results.none"))),
    element("p", {}, t("results.none.hint")),
  );
  byId("more").replaceChildren(...(answer.hits.length === 0 ? [empty] : isAll ? [] : [button]));
}

window.addEventListener("popstate", () => {
  state = states.fromHash(location.hash);
  renderState();
  search();
});

window.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, textarea, dialog, [popover]");
  if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  parts.composer.focus();
});

/* The part of the address after "#" is the search: a way to skip must not go through it. */
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("results-heading").focus();
});

byId("home").addEventListener("click", (event) => {
  event.preventDefault();
  go(states.nothing());
});

async function begin() {
  renderState();
  parts.settings.render();
  delete document.documentElement.dataset.starting;
  // The document asks for the start page beforehand, since it can't know what is after the "#".
  if (location.hash) find(states.nothing()).catch(() => {});
  const [found, said] = await Promise.allSettled([facets(), info(), search()]);
  if (found.status === "fulfilled") columns = found.value.columns;
  byId("filters").removeAttribute("aria-busy");
  if (said.status === "fulfilled") knows = said.value.model.knows;
  renderParts();
}

begin();
