/**
 * The visitor's own pictures. They stay in this browser: a search sends a small copy once, and then
 * an id for what the server remembers of it; a link can't hold them.
 */

import { load, save } from "./own.js";

const LONGER_SIDE = 1024; // pixels; models look at a quarter of it
const LARGE = 400_000; // bytes of a picture that is written anew although its pixels are few
const QUALITY = 0.9;
const AT_HAND = 12; // pictures; others wait in the browser's storage

const pictures = new Map(); // by key, the last used at the end

/**
 * A file as `{blob, bitmap, name, kept}`: a copy of at most 1,024 pixels, and a canvas of it. What
 * the browser can't open is left as it is, without a bitmap: the server may open it. `kept` will be
 * the server's id.
 */
export async function prepared(file) {
  const name = file.name || "picture";
  const picture = await opened(file);
  if (!picture) return { blob: file, bitmap: null, name, kept: null };
  const isSmall = Math.max(picture.width, picture.height) <= LONGER_SIDE && file.size <= LARGE;
  const bitmap = drawn(picture, LONGER_SIDE);
  picture.close();
  return { blob: isSmall ? file : await asJpeg(bitmap), bitmap, name, kept: null };
}

/** Keeps a prepared picture and gives its key. */
export function keep(picture) {
  const key = [...crypto.getRandomValues(new Uint8Array(6))]
    .map((byte) => byte.toString(36).padStart(2, "0"))
    .join("");
  put(key, picture);
  save(key, picture);
  return key;
}

/** Brings those of `keys` that are not at hand from the browser's storage. Returns whether any came. */
export async function bring(keys) {
  let came = false;
  for (const key of keys) {
    const found = pictures.get(key) ?? (await stored(key));
    if (!found) continue;
    came ||= !pictures.has(key);
    put(key, found);
  }
  return came;
}

async function stored(key) {
  const found = await load(key);
  return found && { ...(await prepared(new File([found.blob], found.name))), name: found.name };
}

function put(key, picture) {
  pictures.delete(key);
  pictures.set(key, picture);
  if (pictures.size > AT_HAND) pictures.delete(pictures.keys().next().value);
}

/** What `prepared` made for a key, or undefined. */
export const pictureOf = (key) => pictures.get(key);

/** A canvas with a picture. Unlike a blob: address it is not subject to the Content-Security-Policy. */
export function drawn(bitmap, longerSide) {
  const scale = Math.min(1, longerSide / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas;
}

async function opened(file) {
  try {
    return await createImageBitmap(file);
  } catch {
    return null;
  }
}

function asJpeg(bitmap) {
  const canvas = drawn(bitmap, LONGER_SIDE);
  const pen = canvas.getContext("2d");
  pen.globalCompositeOperation = "destination-over"; // transparent becomes white: JPEG has no alpha
  pen.fillStyle = "white";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
}

/** The picture files in what was pasted, dropped or picked. */
export const pictureFiles = (transfer) =>
  [...(transfer?.files ?? [])].filter((file) => !file.type || file.type.startsWith("image/"));
