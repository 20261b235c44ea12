/** Near-copies: their number on a tile, and a strip of them beside the picture they stand under. */

import { thumbnail } from "./api.js";
import { element } from "./dom.js";
import { number, t } from "./i18n.js";

/** "+2" on a tile, or null. It says what it means to those who do not see it. */
export function stackMark({ copies = 0 }) {
  if (copies === 0) return null;
  const count = number(copies);
  return element("span", { class: "copies", role: "img", "aria-label": t("stack.more", { count }) }, `+${count}`);
}

/** The pictures of a stack, the hit first, to look at with `onShow(id)`; or null. */
export function stackStrip(hit, onShow) {
  if (!hit.copies) return null;
  const ids = [hit.id, ...hit.stack];
  const buttons = ids.map((id, i) =>
    element(
      "button",
      {
        type: "button",
        "aria-label": t("stack.show", { place: i + 1, count: ids.length }),
        "aria-pressed": String(id === hit.id),
        onclick: (event) => {
          for (const each of buttons) each.setAttribute("aria-pressed", each === event.currentTarget);
          onShow(id);
        },
      },
      element("img", { src: thumbnail(id), alt: "", loading: "lazy" }),
    ),
  );
  const count = number(hit.copies);
  return element(
    "section",
    { class: "strip", "aria-label": t("stack.more", { count }) },
    element("h3", {}, t("stack.more", { count })),
    element("div", {}, ...buttons),
  );
}
