/**
 * The visitor's own pictures. They stay in this tab: a search sends them, the server keeps nothing,
 * and a link can't hold them.
 */

const pictures = new Map();
const LARGE = 1_500_000; // bytes; what is larger is scaled down here, which is faster than sending it
const LONGER_SIDE = 1600; // pixels, far more than any model looks at
const QUALITY = 0.9;

/** Keeps a file and gives its key. What the browser can't open is sent as it is: the server may. */
export async function keep(file) {
  const key = [...crypto.getRandomValues(new Uint8Array(6))]
    .map((byte) => byte.toString(36).padStart(2, "0"))
    .join("");
  const bitmap = await opened(file);
  const blob = bitmap && file.size > LARGE ? await scaledDown(bitmap) : file;
  pictures.set(key, { blob, bitmap, name: file.name || "picture" });
  return key;
}

/** `{blob, bitmap, name}` of a key, `bitmap` null if the browser can't draw it; or undefined. */
export const pictureOf = (key) => pictures.get(key);

/** A canvas with the picture of a key. Unlike an address of a blob it needs no leave to be shown. */
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

function scaledDown(bitmap) {
  const canvas = drawn(bitmap, LONGER_SIDE);
  const pen = canvas.getContext("2d");
  pen.globalCompositeOperation = "destination-over"; // JPEG has no alpha: clear becomes white, not black
  pen.fillStyle = "white";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
}

/** The picture files in what was pasted, dropped or picked. */
export const pictureFiles = (transfer) =>
  [...(transfer?.files ?? [])].filter((file) => !file.type || file.type.startsWith("image/"));
