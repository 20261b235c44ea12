/** What went wrong or is worth saying: a notice that stays, and a toast that goes. */

import { byId, element, icon, iconButton } from "./dom.js";
import { t } from "./i18n.js";

const SHOWN = 4000; // milliseconds
let timer = 0;

/** Shows a message with its hint, and a way to try again if there is one. */
export function notice(message, hint, { onRetry = null, kind = "error" } = {}) {
  const retry = onRetry
    ? element("button", { type: "button", class: "secondary", onclick: onRetry }, t("error.retry"))
    : null;
  const text = element(
    "div",
    {},
    element("p", {}, element("b", {}, message)),
    hint ? element("p", {}, hint) : null,
  );
  const close = iconButton("close", t("close"), clearNotice, { class: "small dismiss" });
  const role = kind === "error" ? "alert" : "status";
  const made = element("div", { class: `notice ${kind}`, role }, icon("warning"), text, retry, close);
  byId("notice").replaceChildren(made);
}

export const clearNotice = () => byId("notice").replaceChildren();

export function toast(message) {
  clearTimeout(timer);
  byId("toast").textContent = message;
  timer = setTimeout(() => byId("toast").replaceChildren(), SHOWN);
}
