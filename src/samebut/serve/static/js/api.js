/** The server's API, version 1. Whatever it refuses becomes a `Refused` with words for a person. */

import { language, t } from "./i18n.js";
import { NEUTRAL, whereOf } from "./state.js";
import { pictureOf } from "./uploads.js";

/** Beside the page, wherever that is mounted. */
export const BASE = new URL("api/v1", document.baseURI).pathname;
export const PAGE = 30;
const LONGEST_WAIT = 5; // seconds to wait for a busy server before a person is asked

/** A request that was not answered: `message` says why, `hint` what to do, or "". */
export class Refused extends Error {
  constructor(message, hint = "") {
    super(message);
    this.hint = hint;
  }
}

export const thumbnail = (id, size = 320) => `${BASE}/thumbnails/${id}?size=${size}`;

export const facets = () => request("/facets");

/** Pictures for a state, best first: of the whole gallery in order if nothing is asked. */
export function find(state, { offset = 0, signal } = {}) {
  if (queryOf(state).turns.length > 0) {
    return request("/search", { ...posted({ ...queryOf(state), k: PAGE, offset }, state), signal });
  }
  const asked = new URLSearchParams({ offset, k: PAGE });
  if (whereOf(state.filters)) asked.set("where", whereOf(state.filters));
  return request(`/browse?${asked}`, { signal });
}

/** What is served, by which model. */
export const info = () => request("/info");

/** The first answers of one fusion of the model to a state that asks something. */
export function findWith(state, fusion, count) {
  return request("/search", posted({ ...queryOf(state), fusion, k: count }, state));
}

/** Which regions each word is nearest to, for a turn that has a picture and words. */
export function explain(turn) {
  const state = { turns: [turn], weight: NEUTRAL, filters: {} };
  return request("/explain", posted(queryOf(state), state));
}

/** The body of a search. Own pictures that are not here any more are left out of their turns. */
export function queryOf(state) {
  const uploads = uploadsOf(state);
  const turns = state.turns.map(({ picture, upload, text }) => ({
    ...(picture !== null && { picture }),
    ...(uploads.includes(upload) && { upload: `p${uploads.indexOf(upload)}` }),
    ...(text && { text }),
  }));
  const where = whereOf(state.filters);
  return {
    turns: turns.filter((turn) => Object.keys(turn).length > 0),
    ...(where && { where }),
    ...(state.weight !== NEUTRAL && { text_weight: state.weight }),
  };
}

/** The keys of the visitor's own pictures a state speaks of, in the order they are sent. */
export function uploadsOf(state) {
  const keys = state.turns.map((turn) => turn.upload).filter((key) => pictureOf(key));
  return [...new Set(keys)];
}

function posted(query, state) {
  const uploads = uploadsOf(state);
  if (uploads.length === 0) {
    const headers = { "Content-Type": "application/json" };
    return { method: "POST", headers, body: JSON.stringify(query) };
  }
  const body = new FormData();
  body.append("query", JSON.stringify(query));
  uploads.forEach((key, i) => body.append(`p${i}`, pictureOf(key).blob, pictureOf(key).name));
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

/** A proxy in between may answer with a page of its own instead of the API's JSON. */
async function refusal(answer) {
  try {
    const { detail, hint } = await answer.json();
    if (typeof detail !== "string") throw new TypeError("not a problem of RFC 9457");
    return new Refused(detail, hint);
  } catch {
    return new Refused(t("error.status", { status: answer.status }), t("error.status.hint"));
  }
}
