// A photograph that is too large for the server is made smaller here, before it is sent.

import { json } from "./api.js";

/** Of the largest request, what is left to its pictures. */
const SHARE = 0.9;
const QUALITY = 0.92;
const SMALLER = 0.8;
/** Pictures that a request holds at most. */
const MOST = 8;

let told = null;

/**
 * The most that one picture of a request may have.
 * @param {any} found a model in full
 * @param {string} task
 * @returns {Promise<{bytes: number, pixels: number}>}
 */
export async function boundsOf(found, task) {
  told ??= json("/version");
  told.catch(() => (told = null));
  const { upload_bytes, picture_pixels } = await told;
  const names = found.takes[task];
  const count = names.includes("images") ? MOST : names.filter((name) => /image|mask/.test(name)).length || 1;
  return {
    bytes: Math.floor((upload_bytes * SHARE) / count),
    pixels: found.most_pixels[task] ?? picture_pixels,
  };
}

/**
 * The picture within the bounds. What this browser cannot read goes as it is: the server judges it.
 * @param {import("./pictures.js").Picture} given
 * @param {{bytes: number, pixels: number}} bounds
 * @returns {Promise<import("./pictures.js").Picture>} with `from`, its size before, if it was made smaller
 */
export async function within(given, { bytes, pixels }) {
  const whole = await createImageBitmap(given.blob).catch(() => null);
  if (whole === null) return given;
  const { width, height } = whole;
  if (width * height <= pixels && given.blob.size <= bytes) return given;
  let scale = Math.min(1, Math.sqrt(pixels / (width * height)));
  const type = given.blob.type === "image/jpeg" ? "image/jpeg" : "image/webp";
  for (;;) {
    const [across, down] = [width, height].map((side) => Math.max(1, Math.floor(side * scale)));
    const canvas = new OffscreenCanvas(across, down);
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(whole, 0, 0, across, down);
    const blob = await canvas.convertToBlob({ type, quality: QUALITY });
    if (blob.size <= bytes || across * down === 1) {
      whole.close();
      return { blob, name: renamed(given.name, blob.type), url: null, from: [width, height], to: [across, down] };
    }
    scale *= SMALLER;
  }
}

function renamed(name, type) {
  const ending = { "image/jpeg": "jpg", "image/webp": "webp" }[type] ?? "png";
  return `${name.replace(/\.\w+$/, "")}-smaller.${ending}`;
}
