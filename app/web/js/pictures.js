// Pictures: shown with the key where one is needed, and carried from one section to another.

import { heldKey, request } from "./api.js";
import { h } from "./dom.js";
import { at } from "./home.js";

/** What a dragged image of this server is called among what is dragged: its address. */
export const DRAGGED = "application/x-easel-image";

/**
 * A picture that a request takes: its bytes, and the address that they came from, if they have one.
 * @typedef {{blob: Blob, name: string, url: string | null}} Picture
 */

/**
 * An `<img>` of this server. An image element cannot send a key, so with one the bytes are fetched.
 * @param {string} path
 * @param {string} alt
 * @param {Record<string, any>} [attributes]
 * @returns {HTMLImageElement}
 */
export function picture(path, alt, attributes = {}) {
  const image = h("img", { alt, decoding: "async", ...attributes });
  if (heldKey() === null || path.startsWith("data:")) image.src = at(path);
  else fetched(path).then(({ blob }) => show(image, blob));
  return image;
}

/** @param {HTMLImageElement} image @param {Blob} blob */
function show(image, blob) {
  const url = URL.createObjectURL(blob);
  image.addEventListener("load", () => URL.revokeObjectURL(url), { once: true });
  image.src = url;
}

/** @param {Picture} given @param {Record<string, any>} [attributes] @returns {HTMLImageElement} */
export function shownPicture(given, attributes = {}) {
  const image = h("img", { alt: given.name, ...attributes });
  show(image, given.blob);
  return image;
}

/**
 * @param {string} path of a picture on this server
 * @param {AbortSignal} [signal]
 * @returns {Promise<Picture>}
 */
export async function fetched(path, signal) {
  const blob = await (await request(path, { signal })).blob();
  return {
    blob,
    name: path
      .split("/")
      .slice(-3)
      .filter((part) => !["images", "examples"].includes(part))
      .join("-"),
    url: path,
  };
}

/**
 * Saves a picture of this server as a file.
 * @param {string} path
 * @param {string} name
 */
export async function download(path, name) {
  saveBlob((await fetched(path)).blob, name);
}

/** @param {Blob} blob @param {string} name of the file that it is saved as */
export function saveBlob(blob, name) {
  const link = h("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

let carried = null;

/** Hands a picture to the next form that takes one. @param {Picture} given */
export function carry(given) {
  carried = given;
}

/** @returns {Picture | null} what was carried here, once */
export function takeCarried() {
  const given = carried;
  carried = null;
  return given;
}
