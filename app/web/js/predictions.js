// A prediction from the request to its end: made under an id of our own, watched, and canceled when nobody wants it.

import { Problem, events, json, request } from "./api.js";
import { randomId } from "./dom.js";

/**
 * @typedef {{model: string, task: string, input: Record<string, any>, output?: Record<string, any>}} Order
 * @typedef {Record<string, import("./pictures.js").Picture[]>} Pictures by the name of the input
 */

const ENDED = ["succeeded", "failed", "canceled"];
const PATIENCE_S = 1;

/** @param {any} prediction */
export function ended(prediction) {
  return ENDED.includes(prediction.status);
}

/**
 * Asks for a prediction and waits for its end. Aborting the signal cancels it on the server too.
 * @param {Order} order with `b64_json`, where it is not to be kept
 * @param {{id?: string, pictures?: Pictures, signal?: AbortSignal, kept?: boolean,
 *          onEvent?: (name: string, data: any) => void}} [options] unless `kept`, the server forgets the prediction
 *   however it ends, so that it is not in the history
 * @returns {Promise<any>} a prediction that succeeded
 * @throws {Problem} it was refused, or failed
 */
export async function predict(
  order,
  { id = randomId(), pictures = {}, signal, kept = true, onEvent = () => {} } = {},
) {
  signal?.throwIfAborted();
  const path = pathOf(id);
  const { body, headers } = content(order, pictures);
  const accepted = json(path, { method: "PUT", body, headers: { ...headers, Prefer: `wait=${PATIENCE_S}` } });
  // A cancel must not overtake the request, so it waits for the first answer, which comes within PATIENCE_S.
  const abandon = () => accepted.then((prediction) => ended(prediction) || cancel(path)).catch(() => null);
  signal?.addEventListener("abort", abandon, { once: true });
  try {
    const prediction = await unlessAborted(accepted, signal);
    if (ended(prediction)) return succeeded(prediction);
    await follow(prediction, onEvent, signal);
    return succeeded(await json(path, { signal }));
  } finally {
    signal?.removeEventListener("abort", abandon);
    if (!kept) accepted.then(forget).catch(() => null);
  }
}

/**
 * A prediction that was asked for before: waits for its end, and leaves it alone when aborted.
 * @param {string} id
 * @param {{signal?: AbortSignal, onEvent?: (name: string, data: any) => void}} [options]
 * @returns {Promise<any>} a prediction that succeeded
 * @throws {Problem} it is not known (any more), or failed
 */
export async function resume(id, { signal, onEvent = () => {} } = {}) {
  const prediction = await json(pathOf(id), { signal });
  if (ended(prediction)) return succeeded(prediction);
  await follow(prediction, onEvent, signal);
  return succeeded(await json(pathOf(id), { signal }));
}

/** Has the server forget a prediction as soon as it has ended. @param {any} prediction as it was accepted */
async function forget(prediction) {
  if (!ended(prediction)) await follow(prediction, () => {});
  await request(pathOf(prediction.id), { method: "DELETE", keepalive: true });
}

/** @param {string} id of a prediction */
export function pathOf(id) {
  return `/v1/predictions/${encodeURIComponent(id)}`;
}

/** The promise, or the signal's reason as soon as it is aborted. */
function unlessAborted(promise, signal) {
  const aborted = new Promise((_, reject) =>
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true }),
  );
  return Promise.race([promise, aborted]);
}

/**
 * Watches a prediction to its end. What was asked to be in the answer itself is not among what it tells.
 * @param {any} prediction
 * @param {(name: string, data: any) => void} onEvent
 * @param {AbortSignal} [signal]
 */
export async function follow(prediction, onEvent, signal) {
  for await (const { name, data } of events(prediction.urls.events, signal)) {
    if (name === "completed") return data;
    onEvent(name, data);
  }
}

/**
 * Cancels a prediction, unless it has ended meanwhile.
 * @param {string} path
 */
export function cancel(path) {
  return json(`${path}/cancel`, { method: "POST", keepalive: true }).catch(() => null);
}

/** JSON without pictures, multipart with them. */
function content(order, pictures) {
  const files = Object.entries(pictures).flatMap(([name, given]) => given.map((one) => [name, one]));
  if (files.length === 0) {
    return { body: JSON.stringify(order), headers: { "Content-Type": "application/json" } };
  }
  const form = new FormData();
  form.append("request", JSON.stringify(order));
  for (const [name, one] of files) form.append(name, one.blob, one.name);
  return { body: form, headers: {} };
}

function succeeded(prediction) {
  if (prediction.status === "succeeded") return prediction;
  const { code, detail } = prediction.error ?? { code: "canceled", detail: "it was canceled" };
  throw new Problem({ status: 200, code, detail });
}
