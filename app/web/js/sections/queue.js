// Queue: the predictions of this key, and those underway as they go.

import { json, request } from "../api.js";
import { counted, duration, h } from "../dom.js";
import { allModels } from "../models.js";
import { picture } from "../pictures.js";
import { cancel, ended, follow } from "../predictions.js";
import { problemView } from "../problem-view.js";
import { standing } from "../results.js";
import { address, remember } from "../router.js";

const LOOK_EVERY_MS = 2000;
const STATUSES = ["queued", "processing", "succeeded", "failed", "canceled"];

/** @param {HTMLElement} page @param {import("../router.js").Route} route @param {AbortSignal} signal */
export async function show(page, route, signal) {
  const rows = new Map();
  const list = h("div", { class: "predictions" });
  const more = h("button", { class: "button", type: "button", hidden: true, onclick: older }, "Show older ones");
  const trouble = h("div", {});
  const models = await allModels();
  const status = filter("Status", STATUSES, route.query.status, look);
  const model = filter(
    "Model",
    models.map((one) => one.id),
    route.query.model,
    look,
  );
  page.append(
    h(
      "header",
      { class: "head" },
      h("h1", {}, "Queue"),
      h(
        "p",
        { class: "lede" },
        "What was asked for, newest first, as long as the server keeps it. What still waits or runs can be canceled.",
      ),
    ),
    h("div", { class: "filters" }, status.element, model.element),
    trouble,
    list,
    h("p", {}, more),
  );

  let cursor = null;

  async function look() {
    const query = { status: status.value, model: model.value };
    remember(["queue"], query);
    try {
      const found = await read(query);
      const known = new Set(found.data.map((one) => one.id));
      for (const [id, row] of rows) {
        if (!known.has(id) && !row.old) forget(id);
      }
      found.data.forEach((one, index) => update(one, index));
      if (!Array.from(rows.values()).some((row) => row.old)) {
        cursor = found.next_cursor;
        more.hidden = cursor === null;
      }
      list.hidden = rows.size === 0;
      trouble.replaceChildren(
        ...(rows.size
          ? []
          : [h("p", { class: "hint" }, "Nothing here. What you make in this playground shows up at once.")]),
      );
    } catch (error) {
      if (!signal.aborted) trouble.replaceChildren(problemView(error, look));
    }
  }

  async function older() {
    const found = await read({ status: status.value, model: model.value, cursor });
    found.data.forEach((one) => update(one, rows.size, true));
    cursor = found.next_cursor;
    more.hidden = cursor === null;
  }

  function read(query) {
    const search = new URLSearchParams(Object.entries({ limit: 20, ...query }).filter(([, value]) => value));
    return json(`/v1/predictions?${search}`, { signal });
  }

  /** Shows a prediction as it stands; one that is underway is watched from now on. */
  function update(prediction, index, old = false) {
    const row = rows.get(prediction.id) ?? { element: h("article", { class: "prediction" }), status: null, old };
    if (row.status !== prediction.status) {
      row.status = prediction.status;
      row.live ??= h("p", { class: "hint" });
      row.progress ??= h("progress", { hidden: true, "aria-label": "Progress" });
      row.element.replaceChildren(...content(prediction, row, look, () => forget(prediction.id)));
      if (!ended(prediction) && !row.watched) watch(prediction, row);
    }
    rows.set(prediction.id, row);
    if (list.children[index] !== row.element) list.insertBefore(row.element, list.children[index] ?? null);
  }

  function watch(prediction, row) {
    row.watched = true;
    const onEvent = (name, data) => {
      row.live.textContent = standing(name, data) ?? row.live.textContent;
      if (name === "progress") Object.assign(row.progress, { hidden: false, max: data.total, value: data.step });
      if (name === "preview")
        row.still?.replaceWith((row.still = h("img", { class: "still pixels", alt: "As it stands", src: data.image })));
    };
    follow(prediction, onEvent, signal).then(look, () => {});
  }

  function forget(id) {
    rows.get(id)?.element.remove();
    rows.delete(id);
  }

  await look();
  const timer = setInterval(() => document.hidden || look(), LOOK_EVERY_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
}

function filter(name, options, chosen, onchange) {
  const id = `only-${name.toLowerCase()}`;
  const select = h(
    "select",
    { class: "select", id, onchange },
    h("option", { value: "" }, `Any ${name.toLowerCase()}`),
    options.map((value) => h("option", { value }, value)),
  );
  select.value = chosen ?? "";
  return {
    element: h("div", {}, h("label", { class: "visually-hidden", for: id }, name), select),
    get value() {
      return select.value || null;
    },
  };
}

function content(prediction, row, look, forget) {
  const { id, model, task, input, output, status, error, metrics } = prediction;
  row.still = output?.[0]?.url
    ? picture(output[0].url, "", { class: "still pixels" })
    : h("div", { class: `still${ended(prediction) ? "" : " skeleton"}` });
  const plain = Object.fromEntries(
    Object.entries(input).filter(([, value]) => value !== null && !String(value).includes("picture:")),
  );
  return [
    row.still,
    h(
      "div",
      {},
      h("h2", {}, h("a", { href: address(["p", id]) }, model), h("span", { class: "hint" }, ` ${task}`)),
      h(
        "p",
        { class: "hint" },
        Object.entries(plain)
          .map(([name, value]) => `${name} ${value}`)
          .join(", "),
      ),
      ended(prediction)
        ? h(
            "p",
            { class: error ? "error" : "hint" },
            error?.detail ?? (metrics ? `${counted(output.length, "picture")} in ${duration(metrics.total_ms)}` : ""),
          )
        : row.live,
      row.progress,
    ),
    h(
      "div",
      { class: "wrap" },
      h("span", { class: `status ${status}` }, status),
      ended(prediction)
        ? h(
            "button",
            {
              class: "button quiet small",
              type: "button",
              "aria-label": `Forget prediction ${id}`,
              onclick: () => request(`/v1/predictions/${id}`, { method: "DELETE" }).then(forget, look),
            },
            "Forget",
          )
        : h(
            "button",
            {
              class: "button small",
              type: "button",
              "aria-label": `Cancel prediction ${id}`,
              onclick: () => cancel(`/v1/predictions/${id}`).then(look),
            },
            "Cancel",
          ),
    ),
  ];
}
