/** The search on screen as a program: curl or Python. */

import { BASE, PAGE, queryOf, uploadsOf } from "./api.js";
import { open } from "./dialogs.js";
import { byId, element } from "./dom.js";
import { t } from "./i18n.js";

const KINDS = { curl: asCurl, Python: asPython };

/** Shows a state as code to copy; `onCopied` is told when it was. */
export function showCode(state, onCopied) {
  const shown = element("pre", { tabindex: 0 });
  const tabs = Object.keys(KINDS).map((name) =>
    element("button", { type: "button", class: "chip", onclick: () => choose(name) }, name),
  );
  const choose = (name) => {
    shown.textContent = KINDS[name]({ ...queryOf(state), k: PAGE }, uploadsOf(state));
    for (const tab of tabs) tab.setAttribute("aria-pressed", tab.textContent === name);
  };
  choose("curl");
  const copy = async () => onCopied(await copied(shown.textContent));
  open(
    byId("code"),
    t("code.title"),
    element("div", { class: "words", role: "group", "aria-label": t("code.title") }, ...tabs),
    shown,
    element("button", { type: "button", class: "primary", onclick: copy }, t("code.copy")),
    uploadsOf(state).length > 0 ? element("p", { class: "note" }, t("code.upload")) : null,
  );
}

/** Puts text on the clipboard; false where the browser forbids it. */
export async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copiedTheOldWay(text);
  }
}

/** The old way of copying: without https, as in a local network, there is no clipboard API. */
function copiedTheOldWay(text) {
  const field = element("textarea", { class: "hidden", readonly: true }, text);
  (document.querySelector("dialog[open]") ?? document.body).append(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  return isCopied;
}

const address = () => `${location.origin}${BASE}/search`;
const fileOf = (i) => `picture-${i + 1}.jpg`;

function asCurl(query, uploads) {
  const json = shellQuoted(JSON.stringify(query));
  const files = uploads.map((_, i) => `  -F p${i}=@${fileOf(i)}`);
  const body =
    uploads.length > 0
      ? [`  --form-string query=${json}`, ...files]
      : ["  -H 'Content-Type: application/json'", `  -d ${json}`];
  return [`curl ${address()}`, ...body].join(" \\\n");
}

function asPython(query, uploads) {
  const files = uploads.map((_, i) => `"p${i}": open("${fileOf(i)}", "rb")`);
  const body =
    uploads.length > 0
      ? `data={"query": json.dumps(query)}, files={${files.join(", ")}}`
      : "json=query";
  return [
    ...(uploads.length > 0 ? ["import json", ""] : []),
    "import requests",
    "",
    `query = ${pythonOf(query)}`,
    `answer = requests.post("${address()}", ${body})`,
    "answer.raise_for_status()",
    'for hit in answer.json()["hits"]:',
    '    print(hit["rank"], hit["path"])',
    "",
  ].join("\n");
}

const shellQuoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** JSON as Python source. Only `true` differs: a query never contains false or null. */
const pythonOf = (query) => JSON.stringify(query, null, 4).replaceAll(/: true(?=,?$)/gm, ": True");
