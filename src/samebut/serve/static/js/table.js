/**
 * What the gallery's table holds, in the reader's language: what columns and values are called, prices
 * as money, addresses as links. It is what the API's facets say; nothing is known before they arrive.
 */

import { element, icon } from "./dom.js";
import { language, t } from "./i18n.js";

const PLAIN_NUMBER = /^\d+(\.\d+)?$/;
const WEB_ADDRESS = /^https?:\/\/\S+$/i;
const SEPARATOR = ", "; // between several values of a picture

let all = new Map(); // column to how it is shown
let hidden = new Set();

/** Stores the answer of `/facets`. */
export function learn({ columns, shown }) {
  all = new Map(shown.map((each) => [each.column, each]));
  hidden = new Set(Object.keys(columns).filter((name) => !all.has(name)));
}

/** The columns in the order of the table. */
export const shownColumns = () => [...all.values()];

/** The columns of a kind that have values to choose from. */
export const ofKind = (kind) => shownColumns().filter((each) => each.kind === kind && each.values.length);

/** Whether nobody chooses by this column: an id, or a part of an experiment. */
export const isHidden = (column) => hidden.has(column);

export const columnName = (column) => said(all.get(column)?.label) ?? column.replaceAll("_", " ");

/** What a value is called; of several in one text each. */
export function valueName(column, text) {
  const whole = nameOf(column, text);
  if (whole !== null || !text.includes(SEPARATOR)) return whole ?? text;
  const names = text.split(SEPARATOR).map((part) => nameOf(column, part) ?? part);
  return names.join(t("values.join"));
}

function nameOf(column, text) {
  const same = text.toLowerCase();
  const found = all.get(column)?.values.find(({ value }) => value.toLowerCase() === same);
  return said(found?.label) ?? null;
}

const said = (label) => label?.[language()] ?? label?.en;

/** A cell as people read it: a link, money, or the value's name. */
export const cell = (column, text) => shopLink(text) ?? written(column, text);

/** A value as text: money, or its name. */
export const written = (column, text) =>
  all.get(column)?.kind === "price" ? money(column, text) : valueName(column, text);

/** A price; one with a sign of its own stays as it is written. */
function money(column, text) {
  if (!PLAIN_NUMBER.test(text)) return text;
  const currency = all.get(column).currency;
  const cents = { minimumFractionDigits: text.includes(".") ? 2 : 0 };
  const style = currency ? { style: "currency", currency } : cents;
  return new Intl.NumberFormat(language(), style).format(Number(text));
}

/** A link to a web page, without a referrer; null for any other text. */
function shopLink(text, { isShort = false } = {}) {
  if (!WEB_ADDRESS.test(text) || !URL.canParse(text)) return null;
  const { href, host } = new URL(text);
  const label = t("link.shop", { host: host.replace(/^www\./, "") });
  const short = isShort ? { "aria-label": label, title: label, tabindex: -1 } : {};
  return element(
    "a",
    { href, target: "_blank", rel: "noopener noreferrer", class: "shop", ...short },
    isShort ? t("link.shop.short") : label,
    icon("out"),
  );
}

/** What a tile says of a hit beside its title: price and shop, if the table has them. */
export function offer(hit) {
  const known = shownColumns().filter(({ column }) => hit.metadata[column]);
  const price = known.find(({ kind }) => kind === "price");
  const links = known.filter(({ kind }) => kind === "url");
  const link = links.map(({ column }) => shopLink(hit.metadata[column], { isShort: true })).find(Boolean);
  if (!price && !link) return null;
  const amount = price && element("b", {}, money(price.column, hit.metadata[price.column]));
  return element("p", { class: "offer" }, amount, link);
}
