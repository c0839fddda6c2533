// A prediction from the request to its end: made under an id of our own, watched, and canceled when nobody wants it.

import { Problem, events, json } from "./api.js";
import { randomId } from "./dom.js";

/**
 * @typedef {{model: string, task: string, input: Record<string, any>, output?: Record<string, any>}} Order
 * @typedef {Record<string, import("./pictures.js").Picture[]>} Pictures by the name of the input
 */

const ENDED = ["succeeded", "failed", "canceled"];
const PATIENCE_S = 1;
const ARRIVAL_MS = 250; // so long a request may be on its way: a cancel must not overtake it

/** @param {any} prediction */
export function ended(prediction) {
  return ENDED.includes(prediction.status);
}

/**
 * Asks for a prediction and waits for its end. Aborting the signal cancels it on the server too.
 * @param {Order} order
 * @param {{pictures?: Pictures, signal?: AbortSignal, onEvent?: (name: string, data: any) => void}} [options]
 * @returns {Promise<any>} a prediction that succeeded
 * @throws {Problem} it was refused, or failed
 */
export async function predict(order, { pictures = {}, signal, onEvent = () => {} } = {}) {
  signal?.throwIfAborted();
  const path = `/v1/predictions/${randomId()}`;
  const sending = new AbortController();
  const arrival = new Promise((resolve) => setTimeout(resolve, ARRIVAL_MS));
  const made = make(path, order, pictures, onEvent, sending.signal);
  const settled = new AbortController();
  const abandoned = new Promise((_, reject) => {
    const abandon = () => {
      reject(signal.reason);
      Promise.race([arrival, made]).then(
        () => !settled.signal.aborted && (sending.abort(), cancel(path)),
        () => {},
      );
    };
    signal?.addEventListener("abort", abandon, { signal: settled.signal });
  });
  return Promise.race([made.finally(() => settled.abort()), abandoned]);
}

async function make(path, order, pictures, onEvent, signal) {
  const { body, headers } = content(order, pictures);
  const init = { method: "PUT", body, headers: { ...headers, Prefer: `wait=${PATIENCE_S}` }, signal };
  const prediction = await json(path, init);
  return succeeded(ended(prediction) ? prediction : await follow(prediction, onEvent, signal));
}

/**
 * Watches a prediction to its end.
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
