/** The trail: every turn of the conversation, oldest first, each to go back to, edit or remove. */

import { byId, element, iconButton } from "./dom.js";
import { t } from "./i18n.js";
import { numeral, turnPicture } from "./pictures.js";
import { hasPicture, numberOf } from "./state.js";

const SIZE = 56;

/** Wires the trail to `onBack(step)`, `onEdit(step, text)`, `onRemove(step)`, `onRestart()`. */
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
      list.replaceChildren(...steps, element("li", { class: "restart" }, restart));
      list.scrollLeft = steps.at(-1)?.offsetLeft ?? 0; // a phone has them in one row: see the last
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
  made.append(
    iconButton("edit", t("trail.edit", values), () => editing(made, turn, i, actions), {
      class: "small",
    }),
    iconButton("close", t("trail.remove", values), () => actions.onRemove(i), { class: "small" }),
  );
  return made;
}

/** Puts a field in the place of the words. Enter keeps what was typed, Escape what was there. */
function editing(made, turn, i, actions) {
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
    before[1].focus();
  });
  made.replaceChildren(form);
  field.focus();
  field.select();
}
