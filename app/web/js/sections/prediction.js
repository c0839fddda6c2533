// One prediction: its pictures, the recipe that made them, and the code that makes them again.

import { askedBefore } from "../asking.js";
import { duration, h, words } from "../dom.js";
import { pageHead } from "../model-chooser.js";
import { model as readModel, verb } from "../models.js";
import { carry, fetched } from "../pictures.js";
import { cancel, pathOf } from "../predictions.js";
import { placeholder, result } from "../results.js";
import { address, formOf } from "../router.js";
import { useAsInput } from "../use-as-input.js";

/** @param {HTMLElement} page @param {import("../router.js").Route} route @param {AbortSignal} signal */
export async function show(page, route, signal) {
  const [id] = route.parts;
  const waiting = placeholder(1, { height: 1, width: 1 });
  const stop = h(
    "button",
    { class: "button quiet", type: "button", onclick: () => cancel(pathOf(id)) },
    "Cancel",
  );
  page.append(
    pageHead("A prediction", "What was asked, what came of it, and how to make it again."),
    waiting.element,
    stop,
  );
  const { prediction, order, pictures } = await askedBefore(id, { signal, onEvent: waiting.onEvent });
  stop.remove();
  const found = await readModel(order.model).catch(() => null); // a model that was removed since
  const moreLikeThis = found?.inputs.vary
    ? async (image) => {
        carry(await fetched(image.url));
        location.hash = address(["make", order.model, "vary"]);
      }
    : null;
  const image = found?.image ?? prediction.output?.[0] ?? { height: 1, width: 1 };
  waiting.element.replaceWith(
    result(prediction, order, pictures, image, { useAsInput, moreLikeThis, here: true }),
    h("div", { class: "prediction-facts" }, recipe(prediction, order, found), made(prediction)),
  );
}

function recipe({ model }, order, found) {
  const plain = Object.entries(order.input).filter(([, value]) => value !== null);
  return h(
    "section",
    {},
    h("h2", {}, "The recipe"),
    h(
      "dl",
      { class: "facts" },
      h("dt", {}, "Model"),
      h("dd", {}, found ? h("a", { href: address(["models", model]) }, model) : `${model}, which is no longer here`),
      h("dt", {}, "Task"),
      h("dd", {}, verb(order.task)),
      plain.flatMap(([name, value]) => [h("dt", {}, words(name)), h("dd", {}, shown(value))]),
    ),
    found &&
      h("a", { class: "button", href: address(formOf(model, order.task), Object.fromEntries(plain.filter(small))) }, "Change and make it again"),
  );
}

/** A value as it fits into a line. */
function shown(value) {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** What fits into an address. */
function small([, value]) {
  return String(value).length < 500;
}

function made({ version, metrics, created_at, expires_at, id }) {
  const date = (text) => new Date(text).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });
  const rows = {
    Prediction: h("code", {}, id),
    "Version of the model": version && h("code", {}, version.slice(0, 12)),
    Asked: date(created_at),
    Waited: metrics && duration(metrics.queue_ms),
    "In the model": metrics && duration(metrics.inference_ms),
    "In all": metrics && duration(metrics.total_ms),
    "Kept on the server until": expires_at && date(expires_at),
  };
  return h(
    "section",
    {},
    h("h2", {}, "What made it"),
    h(
      "dl",
      { class: "facts" },
      Object.entries(rows)
        .filter(([, value]) => value)
        .flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
    ),
  );
}
