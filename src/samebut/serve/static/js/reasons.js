/** Why an answer is one: which of the wishes it fulfils, in a line for a tile and a list to read. */

import { element, icon } from "./dom.js";
import { t } from "./i18n.js";
import { turnPicture } from "./pictures.js";

const SIZE = 72;

/** What is said of a wish, by whether it is fulfilled. */
const VERDICTS = {
  true: { name: "check", key: "reason.yes" },
  false: { name: "close", key: "reason.no" },
  null: { name: "missing", key: "reason.unknown" },
};

const wishOf = ({ wish, refused }) => (refused ? t("reason.not", { wish }) : wish);

/** The line under a tile, or null where nothing can be said. */
export function reasonLine({ why = [] }) {
  const told = why.filter(({ fulfilled }) => fulfilled !== null);
  if (told.length === 0) return null;
  const marks = told.map((each) => {
    const { name, key } = VERDICTS[each.fulfilled];
    const said = t(key, { wish: wishOf(each) });
    return element("span", { class: `reason ${each.fulfilled ? "yes" : "no"}` },
      icon(name), element("span", { "aria-hidden": "true" }, wishOf(each)),
      element("span", { class: "hidden" }, said));
  });
  return element("p", { class: "reason-line" }, ...marks);
}

/** The list beside a picture, or null where nothing was wished that could be told. */
export function reasonList({ why = [] }) {
  if (why.length === 0) return null;
  const rows = why.map((each) => {
    const { name, key } = VERDICTS[each.fulfilled];
    const kind = { true: "yes", false: "no", null: "unknown" }[each.fulfilled];
    return element(
      "li",
      { class: `reason ${kind}` },
      icon(name),
      element("span", {}, t(key, { wish: wishOf(each) })),
      each.fulfilled === null ? null : element("small", {}, t(`reason.from.${each.from}`)),
    );
  });
  return element("ul", { class: "reason-list" }, ...rows);
}

/** Beside an answer: the reference it was found from, its reasons, and a way to `onWhere()`; or null. */
export function because(hit, reference, onWhere) {
  const list = reasonList(hit);
  if (!list && !onWhere) return null;
  const picture = reference && element("div", { class: "mini" }, turnPicture(reference, SIZE));
  const where = onWhere
    ? element("button", { type: "button", class: "quiet", onclick: onWhere }, icon("eye"), t("reason.where"))
    : null;
  return element(
    "section",
    { class: "because", "aria-label": t("reason.title") },
    element("h3", {}, t("reason.title")),
    element("div", {}, ...[picture, list].filter(Boolean)),
    where,
  );
}
