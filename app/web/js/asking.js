// A request as the visitor makes it: kept in this browser before it is sent, and its images when they are there.

import { keepImages, keepRequest, requestOf } from "./kept.js";
import { fetched } from "./pictures.js";
import { predict, resume } from "./predictions.js";

/**
 * `predict`, and what it was asked and answered is kept.
 * @param {import("./predictions.js").Order} order
 * @param {{id: string, pictures?: import("./predictions.js").Pictures, signal?: AbortSignal,
 *          onEvent?: (name: string, data: any) => void}} options
 */
export async function ask(order, options) {
  const keeping = keepRequest(options.id, order, options.pictures ?? {});
  const prediction = await predict(order, options);
  await keeping; // a reload right after the answer finds what went in
  keep(prediction, order);
  return prediction;
}

/**
 * A prediction that was asked for before, as it stands or when it ends.
 * @param {string} id
 * @param {{signal?: AbortSignal, onEvent?: (name: string, data: any) => void}} options
 * @returns {Promise<{prediction: any, order: import("./predictions.js").Order,
 *                    pictures: import("./predictions.js").Pictures}>}
 */
export async function askedBefore(id, options) {
  const [prediction, kept] = await Promise.all([resume(id, options), requestOf(id)]);
  const asked = kept?.order ?? orderOf(prediction);
  const order = { ...asked, input: withSeed(asked.input, prediction) };
  if (kept) keep(prediction, order);
  return { prediction, order, pictures: kept?.pictures ?? standIns(prediction) };
}

/**
 * An input with the seed that the server drew, so that it makes the same again.
 * @param {Record<string, any>} input @param {any} prediction that came of it
 */
export function withSeed(input, prediction) {
  const { seed } = prediction.input;
  return seed === undefined ? input : { ...input, seed };
}

/** What was asked for, without the pictures, which the server names only. @param {any} prediction */
function orderOf({ model, task, input }) {
  return { model, task, input: withoutPictures(input) };
}

/** @param {Record<string, any>} input of a prediction, or as a picture file tells it */
export function withoutPictures(input) {
  return Object.fromEntries(Object.entries(input).filter(([, value]) => !isPicture(value)));
}

/** For code to be complete where the pictures are elsewhere: files of these names. */
function standIns({ input }) {
  const given = Object.entries(input).filter(([, value]) => isPicture(value));
  return Object.fromEntries(
    given.map(([name, value]) => [
      name,
      [value].flat().map((_, index) => ({ blob: new Blob(), name: `${name}${index || ""}.png`, url: null })),
    ]),
  );
}

/** A picture that was uploaded, as a prediction names it. */
function isPicture(value) {
  const first = Array.isArray(value) ? value[0] : value;
  return typeof first === "string" && /^(picture|upload|sha256):/.test(first);
}

/** @param {any} prediction @param {import("./predictions.js").Order} order */
async function keep(prediction, order) {
  if (!prediction.output?.every((one) => one.url)) return;
  try {
    const found = await Promise.all(prediction.output.map((one) => fetched(one.url)));
    await keepImages(
      prediction,
      order,
      found.map(({ blob }) => blob),
    );
  } catch {
    // They are shown as they are on the server, and asked for again by their address.
  }
}
