// What the server says about its models, asked once.

import { json } from "./api.js";

let list = null;
const details = new Map();

/** @returns {Promise<any[]>} rows of `GET /v1/models` */
export function allModels() {
  list ??= json("/v1/models").then((found) => found.data);
  list.catch(() => (list = null));
  return list;
}

/** What was said is asked for anew: models came or went. */
export function forgetModels() {
  list = null;
  details.clear();
}

/** @param {string} id @returns {Promise<any>} `GET /v1/models/{id}` */
export function model(id) {
  if (!details.has(id)) {
    const found = json(`/v1/models/${encodeURIComponent(id)}`);
    found.catch(() => details.delete(id));
    details.set(id, found);
  }
  return details.get(id);
}

/** Each task as a verb, for those that have a word of their own. */
const VERBS = {
  sample: "Sample",
  conditional: "Sample a class",
  text: "Make what a text says",
  translate: "Translate",
  reconstruct: "Reconstruct",
  interpolate: "Interpolate",
  upscale: "Enlarge",
  vary: "Vary",
  stylize: "Stylize",
  dream: "Dream",
  inpaint: "Fill in",
  score: "Score",
  classify: "Read",
  encode: "Encode",
};

/** @param {string} task */
export function verb(task) {
  return VERBS[task] ?? task[0].toUpperCase() + task.slice(1);
}

/** @param {{height: number, width: number}} image @returns {string} small pictures are shown with their pixels */
export function pixelClass(image) {
  return image.width <= 64 ? "pixels" : "";
}

/**
 * A measured figure in words: `frechet_distance[mnist-classifier]` is a distance, judged by a network.
 * @param {{name: string, value: number}} metric
 */
export function figure({ name, value }) {
  const [, what, judge, rest] = /^([^[]*)(?:\[(.*)\])?(.*)$/.exec(name);
  const label = (what + rest)
    .replace(/[_.]/g, " ")
    .replace(/psnr|ssim|fid|kid/, (name) => name.toUpperCase())
    .replace("frechet", "Fréchet")
    .replace(/(A|B)to(A|B)/, "$1 → $2");
  return {
    label: label.trim(),
    judge: judge ?? null,
    value: Number(value.toPrecision(4)).toLocaleString("en", { maximumFractionDigits: 4 }),
  };
}
