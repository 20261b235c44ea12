/**
 * Language and theme, in the corner of the page. A choice is a cookie: the server then sends the page
 * as it was chosen, so that nobody sees it in another language or theme first.
 */

import { byId, icon } from "./dom.js";
import { language } from "./i18n.js";

const YEAR = 365 * 24 * 60 * 60; // seconds

/** Wires the switches; `onLanguage(tag)` when another one is chosen. */
export function settings(onLanguage) {
  const switches = [...byId("languages").children];
  for (const each of switches) {
    each.addEventListener("click", () => {
      remember("language", each.lang);
      onLanguage(each.lang);
    });
  }
  byId("theme").addEventListener("click", changeTheme);
  renderTheme();
  return {
    render: () =>
      switches.forEach((each) => each.setAttribute("aria-pressed", each.lang === language())),
  };
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function changeTheme() {
  const theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  remember("theme", theme);
  renderTheme();
}

/** Where cookies are forbidden, a choice lasts until the page is left. */
function remember(name, value) {
  const { root } = document.documentElement.dataset;
  document.cookie = `samebut.${name}=${value}; path=${root}/; max-age=${YEAR}; samesite=lax`;
}

const renderTheme = () => byId("theme").replaceChildren(icon(isDark() ? "sun" : "moon"));
