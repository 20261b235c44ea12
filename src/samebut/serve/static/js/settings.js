/** Language and theme, in the corner of the page. */

import { byId, element, icon } from "./dom.js";
import { LANGUAGES, language } from "./i18n.js";

/** Wires the switches; `onLanguage(tag)` when another one is chosen. */
export function settings(onLanguage) {
  const switches = Object.entries(LANGUAGES).map(([tag, name]) =>
    element("button", { type: "button", lang: tag, onclick: () => onLanguage(tag) }, name),
  );
  byId("languages").replaceChildren(...switches);
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
  try {
    localStorage.setItem("samebut.theme", theme);
  } catch {
    /* Storage is forbidden: the theme lasts until the page is left. */
  }
  renderTheme();
}

const renderTheme = () => byId("theme").replaceChildren(icon(isDark() ? "sun" : "moon"));
