/** The trail: every turn of the conversation, oldest first, each to go back to, edit or remove. */

import { byId, element, iconButton } from "./dom.js";
import { t } from "./i18n.js";
import { numeral, turnPicture } from "./pictures.js";
import { hasPicture, numberOf } from "./state.js";

const SIZE = 56;

/**
 * Wires the trail to `onBack(step)`, `onEdit(step, text)`, `onRemove(step)`, `onReweigh(step)` where there
 * are several pictures, and `onRestart()`.
 */
export function trail(actions) {
  const list = byId("trail");
  return {
    render({ turns }) {
      list.hidden = turns.length === 0;
      const steps = turns.map((turn, i) => step(turn, i, turns.length, numberOf(turns, i), actions));
      const restart = iconButton("restart", t("trail.restart"), actions.onRestart, {
        class: "quiet",
        shown: true,
      });
      const times = () => [...list.querySelectorAll(".times")];
      const focused = times().indexOf(document.activeElement);
      list.replaceChildren(...steps, element("li", { class: "restart" }, restart));
      list.scrollLeft = steps.at(-1)?.offsetLeft ?? 0; // on a phone they are one row: scroll to the last
      times()[focused]?.focus(); // the focus must survive the rendering: it may be pressed again
    },
  };
}

function step(turn, i, count, number, actions) {
  const said = turn.text || turn.called;
  const spoken = said ? `“${said}”` : t("trail.like");
  const values = { step: i + 1, text: spoken };
  const isLast = i === count - 1;
  const face = element(
    isLast ? "span" : "button",
    isLast
      ? { class: "face" }
      : {
          class: "face",
          type: "button",
          onclick: () => actions.onBack(i),
          "aria-label": t("trail.back", values),
          title: t("trail.back", values),
        },
    hasPicture(turn) ? element("span", { class: "mini" }, turnPicture(turn, SIZE), numeral(number)) : null,
    element("span", { class: said ? "said" : "said like" }, spoken),
  );
  const made = element("li", { class: "step", "aria-current": isLast ? "step" : null }, face);
  const edit = iconButton("edit", t("trail.edit", values), () => editing(made, turn, i, edit, actions), {
    class: "small",
  });
  if (number !== null) made.append(times(turn.weight, number, () => actions.onReweigh(i)));
  made.append(
    edit,
    iconButton("close", t("trail.remove", values), () => actions.onRemove(i), { class: "small" }),
  );
  return made;
}

/** A button that shows and changes how much one picture of several counts. */
function times(weight, number, onclick) {
  const said = `×${{ 0.25: "¼", 0.5: "½" }[weight] ?? weight}`;
  const label = t("trail.weight", { times: said, number });
  return element("button", { type: "button", class: "times", "aria-label": label, title: label, onclick }, said);
}

/** Puts a field in the place of the words. Enter keeps what was typed, Escape what was there. */
function editing(made, turn, i, edit, actions) {
  const before = [...made.children];
  const field = element("input", {
    type: "text",
    value: turn.text,
    maxlength: 500,
    "aria-label": t("trail.words", { step: i + 1 }),
  });
  const form = element(
    "form",
    {
      class: "editing",
      onsubmit: (event) => {
        event.preventDefault();
        actions.onEdit(i, field.value.trim());
      },
    },
    field,
    iconButton("check", t("trail.save"), () => form.requestSubmit(), { class: "small" }),
  );
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    made.replaceChildren(...before);
    edit.focus();
  });
  made.replaceChildren(form);
  field.focus();
  field.select();
}
