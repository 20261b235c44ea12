/** What every dialog does: a title, a way out, closing by a click beside it or by going back. */

import { element, iconButton } from "./dom.js";
import { t } from "./i18n.js";
import { closed, openOver, opened } from "./moves.js";

/** Fills `dialog` with a heading, which is its name, and `children` but null, and shows it. */
export function open(dialog, title, ...children) {
  const close = iconButton("close", t("close"), () => dialog.close(), { class: "round" });
  const heading = element("h2", { id: `${dialog.id}-title` }, title);
  const shown = children.filter((child) => child !== null);
  dialog.replaceChildren(element("div", { class: "dialog-top" }, heading, close), ...shown);
  dialog.onclick = (event) => event.target === dialog && dialog.close();
  dialog.onclose = () => closed(dialog.id);
  if (dialog.open) return;
  dialog.showModal();
  opened(dialog.id);
}

/** Closes the dialogs that are not open at the current history entry. */
export function closeOthers() {
  for (const dialog of document.querySelectorAll("dialog[open]")) {
    if (!openOver().includes(dialog.id)) dialog.close();
  }
}
