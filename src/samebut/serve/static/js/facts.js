/** Filters that were read in the words, each a chip that can be taken off. */

import { byId, element, iconButton } from "./dom.js";
import { t } from "./i18n.js";

/** Wires the chips to `onOff(text)`. */
export function facts(onOff) {
  const root = byId("facts");
  return {
    /** `filters` as the API's answer has them. What a later turn replaced is not shown. */
    render(filters) {
      const shown = filters.filter(({ outcome }) => outcome !== "replaced");
      root.hidden = shown.length === 0;
      const lead = element("span", { class: "lead" }, t("facts"));
      root.replaceChildren(lead, ...shown.map((each) => chip(each, onOff)));
    },
  };
}

function chip({ text, where, outcome }, onOff) {
  const isApplied = outcome === "applied";
  return element(
    "span",
    { class: isApplied ? "fact" : "fact nothing", title: where },
    element("span", {}, isApplied ? text : t("facts.nothing", { text })),
    iconButton("close", t("facts.off", { text }), () => onOff(text), { class: "small" }),
  );
}
