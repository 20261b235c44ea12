/** The server's API, version 1. Every failed request throws a `Refused` with a message for a person. */

import { language, t } from "./i18n.js";
import { NEUTRAL, nothing, whereOf } from "./state.js";
import { pictureOf } from "./uploads.js";

/** Relative to the page, which may be mounted at any path. */
export const BASE = new URL("api/v1", document.baseURI).pathname;
export const PAGE = 30;
const LONGEST_WAIT = 5; // seconds: for a longer Retry-After the visitor is asked

const MOST = 200; // answers the server gives at a time
const PASSING = new Set([408, 410, 429]); // statuses below 500 after which a retry may succeed

/**
 * A request that was not answered: `message` says why, `hint` what to do, or "". `status` is 0 if no
 * answer came, and `canRetry` says whether the same request may be answered another time.
 */
export class Refused extends Error {
  constructor(message, hint = "", { status = 0, code = "" } = {}) {
    super(message);
    this.hint = hint;
    this.code = code;
    this.canRetry = status === 0 || status >= 500 || PASSING.has(status);
  }
}

export const thumbnail = (id, size = 320) => `${BASE}/thumbnails/${id}?size=${size}`;

/** What can be filtered by, with counts among the pictures that pass `where`, if there is one. */
export const facets = (where = null) =>
  request(where === null ? "/facets" : `/facets?${new URLSearchParams({ where })}`);

/** `count` pictures for a state, best first: of the whole gallery in order if nothing is asked. */
export async function find(state, { offset = 0, count = PAGE, signal } = {}) {
  const answer = await findSome(state, offset, Math.min(count, MOST), signal);
  const got = answer.hits.length;
  if (got < MOST || count <= MOST) return answer;
  const rest = await find(state, { offset: offset + got, count: count - got, signal });
  return { ...answer, hits: [...answer.hits, ...rest.hits] };
}

function findSome(state, offset, k, signal) {
  if (queryOf(state).turns.length > 0) {
    return ask("/search", state, { why: true, k, offset }, signal);
  }
  const asked = new URLSearchParams({ offset, k });
  if (whereOf(state.filters)) asked.set("where", whereOf(state.filters));
  return request(`/browse?${asked}`, { signal });
}

/** What is served, by which model. */
export const info = () => request("/info");

/** The first answers of one fusion of the model to a state that asks something. */
export function findWith(state, fusion, count) {
  return ask("/search", state, { fusion, k: count });
}

/** Which regions each word is nearest to, for a turn that has a picture and words. */
export function explain(turn, { ofAnswer = false } = {}) {
  return ask(`/explain?of_answer=${ofAnswer}`, { ...nothing(), turns: [turn] });
}

/** What a turn's picture shows, in the gallery's own values. */
export function look(turn) {
  return ask("/look", { ...nothing(), turns: [{ ...turn, called: "", text: "" }] });
}

/**
 * Sends a state. An own picture is uploaded once, later requests send the id that the server gave it; a
 * server that has dropped the picture, or is another process, gets it again.
 */
async function ask(path, state, more = {}, signal = undefined) {
  const sent = uploadsOf(state).filter((part) => !keptOf(part));
  try {
    const answer = await request(path, { ...posted({ ...queryOf(state, sent), ...more }, sent), signal });
    sent.forEach((part, i) => keep(part, answer.uploads?.[`p${i}`] ?? answer.upload));
    return answer;
  } catch (error) {
    const kept = uploadsOf(state).filter(keptOf);
    if (error.code !== "upload_forgotten" || kept.length === 0) throw error;
    for (const { upload } of kept) pictureOf(upload).kept = null;
    return ask(path, state, more, signal);
  }
}

/** The server's id for a part of an own picture, if it has been sent. */
const keptOf = ({ upload, box }) => pictureOf(upload)?.kept?.get(String(box));

function keep({ upload, box }, id) {
  const picture = pictureOf(upload);
  if (picture && id) (picture.kept ??= new Map()).set(String(box), id);
}

const isSame = (one, other) => one.upload === other.upload && String(one.box) === String(other.box);

/**
 * The body of a search, with the files of `sent`. Own pictures that this browser no longer has
 * are left out of their turns.
 */
export function queryOf(state, sent = uploadsOf(state)) {
  const turns = state.turns.map(({ picture, upload, box, called, text, weight }) => {
    const place = sent.findIndex((part) => isSame(part, { upload, box }));
    return {
      ...(picture !== null && { picture, ...(box && { box }) }),
      ...(place >= 0 && { upload: `p${place}`, ...(box && { box }) }),
      ...(pictureOf(upload) && place < 0 && { kept: keptOf({ upload, box }) }),
      ...(called && (picture !== null || pictureOf(upload)) && { called }),
      ...(text && { text }),
      ...(weight !== 1 && { weight }),
    };
  });
  const where = whereOf(state.filters);
  return {
    turns: turns.filter((turn) => Object.keys(turn).length > 0),
    collapse: true,
    ...(where && { where }),
    ...(state.weight !== NEUTRAL && { text_weight: state.weight }),
    read_filters: true,
    ...(state.ignore.length > 0 && { ignore: state.ignore }),
    ...(state.without.length > 0 && { without: unwantedOf(state) }),
  };
}

function unwantedOf({ without }) {
  const texts = without.map(({ text }) => text).filter(Boolean);
  const pictures = without.filter(({ picture }) => picture !== null).map(({ picture }) => ({ picture }));
  return { ...(texts.length > 0 && { texts }), ...(pictures.length > 0 && { pictures }) };
}

/** The visitor's own pictures in a state, as parts `{upload, box}`, in the order sent. */
export function uploadsOf(state) {
  const own = state.turns.filter(({ upload }) => pictureOf(upload));
  return own.filter((turn, i) => own.findIndex((each) => isSame(each, turn)) === i);
}

function posted(query, sent) {
  if (sent.length === 0) {
    const headers = { "Content-Type": "application/json" };
    return { method: "POST", headers, body: JSON.stringify(query) };
  }
  const body = new FormData();
  body.append("query", JSON.stringify(query));
  sent.forEach(({ upload }, i) => {
    body.append(`p${i}`, pictureOf(upload).blob, pictureOf(upload).name);
  });
  return { method: "POST", body };
}

async function request(path, options = {}, mayWait = true) {
  const headers = { ...options.headers, Accept: "application/json", "Accept-Language": language() };
  const answer = await reached(`${BASE}${path}`, { ...options, headers });
  if (answer.ok) return answer.json();
  const wait = Number.parseFloat(answer.headers.get("Retry-After") ?? "");
  if (answer.status === 503 && mayWait && wait <= LONGEST_WAIT) {
    await new Promise((resolve) => setTimeout(resolve, wait * 1000));
    options.signal?.throwIfAborted();
    return request(path, options, false);
  }
  throw await refusal(answer);
}

async function reached(address, options) {
  try {
    return await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(t("error.unreachable"), t("error.unreachable.hint"));
  }
}

/** Tolerates answers that are not JSON: a proxy may send an error page of its own. */
async function refusal(answer) {
  try {
    const { detail, hint, code } = await answer.json();
    if (typeof detail !== "string") throw new TypeError("not a problem of RFC 9457");
    return new Refused(detail, hint, { status: answer.status, code });
  } catch {
    const { status } = answer;
    return new Refused(t("error.status", { status }), t("error.status.hint"), { status });
  }
}
