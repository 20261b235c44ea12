/** Giving a search to somebody else, as a link: a phone's own sheet, or the clipboard. */

import { copied } from "./code.js";
import { isTouch } from "./dom.js";
import { t } from "./i18n.js";
import { notice, toast } from "./notice.js";
import { ownPictures } from "./state.js";

/** Whether the browser has a sheet for it: on phones, and only where the page came by https. */
export const canShare = () => isTouch() && Boolean(navigator.share);

/** Shares the address of a state. A link can't hold somebody's own picture, and that is said. */
export async function share(state) {
  const hasOwn = ownPictures(state).length > 0;
  const link = new URL(`./${location.hash}`, location.href).href; // the page, not its frame
  const advise = (key) => notice(t(key), t("link.own.hint"), { kind: "advice" });
  if (canShare()) {
    if (hasOwn) advise("share.own");
    return navigator.share({ title: document.title, url: link }).catch(dismissed);
  }
  if (!(await copied(link))) return toast(t("copy.failed"));
  return hasOwn ? advise("link.own") : toast(t("link.copied"));
}

/** Ignores the error that browsers throw when the visitor closes the share sheet. */
function dismissed(error) {
  if (error.name !== "AbortError") toast(t("copy.failed"));
}
