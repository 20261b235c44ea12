/** How a turn's picture is shown: from the gallery, or the visitor's own from this tab. */

import { thumbnail } from "./api.js";
import { element, icon } from "./dom.js";
import { t } from "./i18n.js";
import { drawn, pictureOf } from "./uploads.js";

const SHARP = 2; // device pixels for a CSS pixel

/** The picture of a turn that has one, `size` CSS pixels at its longer side. */
export function turnPicture(turn, size) {
  if (turn.picture !== null) {
    const image = element("img", { src: thumbnail(turn.picture), alt: t("picture.gallery") });
    image.addEventListener("error", () => image.replaceWith(placeholder("picture.missing")));
    return image;
  }
  const own = pictureOf(turn.upload);
  if (!own) return placeholder("picture.elsewhere");
  if (!own.bitmap) return placeholder("picture.yours");
  const canvas = drawn(own.bitmap, size * SHARP);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", t("picture.yours"));
  return canvas;
}

/** The number that words call a picture by, on its corner; null for none. */
export const numeral = (number) =>
  number === null ? null : element("span", { class: "numeral" }, String(number));

const placeholder = (key) =>
  element("span", { class: "placeholder", role: "img", "aria-label": t(key) }, icon("missing"));
