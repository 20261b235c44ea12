/** Compare: the same question asked with each of the model's fusions, side by side. */

import { findWith, info, thumbnail } from "./api.js";
import { open } from "./dialogs.js";
import { byId, element } from "./dom.js";
import { titleOf } from "./grid.js";
import { t, tOr } from "./i18n.js";

const SHOWN = 8; // answers of each

/** Shows the first answers of every fusion to a state that asks something with a picture. */
export async function showComparison(state, onPick, onFailure) {
  const dialog = byId("compare");
  const columns = element("div", { class: "columns", "aria-busy": "true" }, t("compare.loading"));
  open(dialog, t("compare.title"), columns);
  try {
    const { model } = await info();
    const answers = await Promise.all(model.fusions.map((name) => findWith(state, name, SHOWN)));
    if (!dialog.open) return;
    columns.removeAttribute("aria-busy");
    const pick = (hit) => {
      dialog.close();
      onPick(hit);
    };
    columns.replaceChildren(
      ...model.fusions.map((name, i) => column(name, answers[i].hits, elsewhere(answers, i), pick)),
    );
  } catch (error) {
    dialog.close();
    onFailure(error);
  }
}

/** The ids that another fusion answers with too. */
function elsewhere(answers, own) {
  const others = answers.filter((_, i) => i !== own);
  return new Set(others.flatMap(({ hits }) => hits.map((hit) => hit.id)));
}

function column(fusion, hits, shared, onPick) {
  const name = tOr(`fusion.${fusion}`, fusion);
  return element(
    "section",
    { "aria-label": name },
    element("h3", {}, name),
    element("ol", {}, ...hits.map((hit) => answer(hit, shared.has(hit.id), onPick))),
  );
}

function answer(hit, isShared, onPick) {
  const title = titleOf(hit);
  const image = element("img", { src: thumbnail(hit.id), alt: "", loading: "lazy" });
  const note = element("span", { class: "also" }, t(isShared ? "compare.both" : "compare.only"));
  const pick = element(
    "button",
    {
      type: "button",
      "aria-label": `${t("tile.pick", { title })} ${note.textContent}`,
      title,
      onclick: () => onPick(hit),
    },
    image,
    note,
  );
  return element("li", { class: isShared ? "shared" : "own" }, pick);
}
