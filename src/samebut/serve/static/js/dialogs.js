/** What every dialog does: a title, a way out, and closing by a click beside it. */

import { element, iconButton } from "./dom.js";
import { t } from "./i18n.js";

/** Fills `dialog` with a heading, which is its name, and `children`, and shows it. */
export function open(dialog, title, ...children) {
  const close = iconButton("close", t("close"), () => dialog.close(), { class: "round" });
  const heading = element("h2", { id: `${dialog.id}-title` }, title);
  dialog.replaceChildren(element("div", { class: "dialog-top" }, heading, close), ...children);
  dialog.onclick = (event) => event.target === dialog && dialog.close();
  if (!dialog.open) dialog.showModal();
}
