/** What is not wanted, each a chip that can be taken off. */

import { byId, element, iconButton } from "./dom.js";
import { t } from "./i18n.js";
import { turnPicture } from "./pictures.js";

const SIZE = 40;

/** Wires the chips to `onOff(place)`. */
export function unwanted(onOff) {
  const root = byId("unwanted");
  return {
    render({ without }) {
      root.hidden = without.length === 0;
      const lead = element("span", { class: "lead" }, t("unwanted"));
      root.replaceChildren(lead, ...without.map((each, place) => chip(each, () => onOff(place))));
    },
  };
}

function chip({ picture, text }, onOff) {
  const isPicture = picture !== null;
  const shown = isPicture ? turnPicture({ picture }, SIZE) : text;
  return element(
    "span",
    { class: isPicture ? "fact refused like" : "fact refused" },
    element("span", {}, shown),
    iconButton("close", isPicture ? t("unwanted.off.picture") : t("unwanted.off", { text }), onOff, {
      class: "small",
    }),
  );
}
