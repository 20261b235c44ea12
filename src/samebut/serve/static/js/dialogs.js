/** What every dialog does: a title, a way out, and closing by a click beside it. */

import { element, iconButton } from "./dom.js";
import { t } from "./i18n.js";

/** Fills `dialog` with a heading, which is its name, and `children` but null, and shows it. */
export function open(dialog, title, ...children) {
  const close = iconButton("close", t("close"), () => dialog.close(), { class: "round" });
  const heading = element("h2", { id: `${dialog.id}-title` }, title);
  const shown = children.filter((child) => child !== null);
  dialog.replaceChildren(element("div", { class: "dialog-top" }, heading, close), ...shown);
  dialog.onclick = (event) => event.target === dialog && dialog.close();
  if (!dialog.open) dialog.showModal();
}
