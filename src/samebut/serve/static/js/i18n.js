/** The page's words. A language is a JSON file; `{name}` in a string is filled in. */

export const LANGUAGES = { en: "English", zh: "中文" };
const REMEMBERED = "samebut.language";

let words = {};
let current = "en";

export const language = () => current;

/** Remembered from last time, else the first language of the browser that the page speaks. */
export function preferred() {
  const remembered = remembering(() => localStorage.getItem(REMEMBERED));
  const asked = [remembered, ...(navigator.languages ?? [navigator.language])];
  const known = asked.map((tag) => tag?.slice(0, 2).toLowerCase());
  return known.find((tag) => tag in LANGUAGES) ?? "en";
}

/** Switches every marked text of the page to a language; `remember` it if a person chose it. */
export async function speak(tag, { remember = false } = {}) {
  const answer = await fetch(`/static/i18n/${tag}.json`);
  words = await answer.json();
  current = tag;
  if (remember) remembering(() => localStorage.setItem(REMEMBERED, tag));
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

/** The string of this key, or `otherwise` for what a gallery may hold and the page has no word for. */
export const tOr = (key, otherwise, values = {}) =>
  Object.hasOwn(words, key) ? t(key, values) : otherwise;

export const columnName = (column) => tOr(`column.${column}`, column.replaceAll("_", " "));
export const valueName = (value) => tOr(`value.${value}`, value);

export const number = (value) => new Intl.NumberFormat(current).format(value);
export const percent = (share) =>
  new Intl.NumberFormat(current, { style: "percent" }).format(share);

/** Storage may be forbidden; then nothing is remembered, and nothing breaks. */
function remembering(action) {
  try {
    return action();
  } catch {
    return null;
  }
}
