/**
 * The page's words. A language is a JSON file; `{name}` in a string is filled in. The document comes
 * in the visitor's language with its words in it, and links the files of the other languages.
 */

import { byId } from "./dom.js";

const given = JSON.parse(byId("page-words").textContent);

let words = given.words;
let current = given.language;

export const language = () => current;

/** Switches every marked text of the page to a language. */
export async function speak(tag) {
  const answer = await fetch(given.addresses[tag]);
  words = await answer.json();
  current = tag;
  document.documentElement.lang = tag === "zh" ? "zh-CN" : tag;
  for (const marked of document.querySelectorAll("[data-i18n]")) {
    marked.textContent = t(marked.dataset.i18n);
  }
  for (const marked of document.querySelectorAll("[data-i18n-label]")) {
    marked.setAttribute("aria-label", t(marked.dataset.i18nLabel));
    if (marked.matches("button, a")) marked.title = t(marked.dataset.i18nLabel);
  }
}

/** The string of this key in the current language. */
export function t(key, values = {}) {
  return words[key].replaceAll(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** The string of this key, or `otherwise` for a value of the gallery that the page has no text for. */
export const tOr = (key, otherwise, values = {}) =>
  Object.hasOwn(words, key) ? t(key, values) : otherwise;

export const number = (value) => new Intl.NumberFormat(current).format(value);
export const percent = (share) =>
  new Intl.NumberFormat(current, { style: "percent" }).format(share);
