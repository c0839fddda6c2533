// Make: any task of any model, by a form that its JSON Schema makes.

import { announce, counted, h, randomSeed } from "../dom.js";
import { modelChooser, pageHead } from "../model-chooser.js";
import { allModels, model as readModel, pixelClass, verb } from "../models.js";
import { carry, fetched, picture, takeCarried } from "../pictures.js";
import { predict } from "../predictions.js";
import { problemView } from "../problem-view.js";
import { placeholder, result } from "../results.js";
import { address, remember } from "../router.js";
import { useAsInput } from "../use-as-input.js";
import "../schema-form.js";

const FIRST = { n: 8 };
const KEPT = 6;

/** @param {HTMLElement} page @param {import("../router.js").Route} route @param {AbortSignal} signal */
export async function show(page, route, signal) {
  const models = (await allModels()).filter(
    (one) => one.tasks.some((task) => task !== "translate") || one.id === route.parts[0],
  );
  page.append(pageHead("Make", "Ask a model for pictures. The address above holds your request, so it can be shared."));
  if (!models.length) return page.append(h("p", { class: "lede" }, "This server has no model yet."));
  const found = await readModel(route.parts[0] ?? models[0].id);
  const task = found.inputs[route.parts[1]]
    ? route.parts[1]
    : (found.tasks.find((one) => one !== "translate") ?? found.tasks[0]);

  const form = h("schema-form");
  form.load(found.inputs[task], { ...FIRST, ...route.query }, { pictures: found.examples });
  const carried = takeCarried();
  if (carried) form.put(carried);

  const stop = h("button", { class: "button quiet", type: "button", hidden: true }, "Cancel");
  const stage = h("div", { class: "stage" }, empty(found, task));
  const panel = h(
    "form",
    { class: "panel", novalidate: true, "aria-label": "What to make" },
    modelChooser("make", models, found),
    found.tasks.length > 1 && tasks(found, task),
    form,
    h("div", { class: "actions" }, h("button", { class: "button primary" }, verb(task)), stop),
  );
  page.append(h("div", { class: "bench" }, panel, stage));

  let running = null;
  signal.addEventListener("abort", () => running?.abort());
  stop.addEventListener("click", () => running?.abort());
  panel.addEventListener("submit", (event) => {
    event.preventDefault();
    run();
  });
  if ("seed" in route.query || "seeds" in route.query) run();

  async function run() {
    running?.abort();
    const mine = (running = new AbortController());
    const { values, pictures } = form;
    const order = { model: found.id, task, input: values };
    const waiting = placeholder(values.n ?? values.frames ?? 1, found.image);
    form.clearErrors();
    stop.hidden = false;
    clear();
    stage.prepend(waiting.element);
    try {
      const prediction = await predict(order, { pictures, signal: mine.signal, onEvent: waiting.onEvent });
      const { seed } = prediction.input;
      const made = seed === undefined ? order : { ...order, input: { ...values, seed } };
      waiting.element.replaceWith(result(prediction, made, pictures, found.image, { useAsInput, moreLikeThis }));
      remember(["make", found.id, task], made.input);
      announce(`${verb(task)}: ${counted(prediction.output.length, "result")}`);
    } catch (error) {
      if (mine.signal.aborted) waiting.element.remove();
      else if (form.showErrors(error.errors ?? [])) waiting.element.remove();
      else waiting.element.replaceWith(problemView(error, run));
      if (!stage.children.length) stage.append(empty(found, task));
    } finally {
      if (running === mine) stop.hidden = true;
    }
  }

  /** Makes room for the next result: what is no result goes, and so do the oldest. */
  function clear() {
    for (const child of Array.from(stage.children)) {
      if (!child.matches(".result") || child.matches("[aria-busy]")) child.remove();
    }
    while (stage.children.length >= KEPT) stage.lastChild.remove();
  }

  /** Neighbours of a picture, if the model can make them; otherwise others of the same request. */
  async function moreLikeThis(image) {
    if (found.inputs.vary) {
      carry(await fetched(image.url));
      location.hash = address(["make", found.id, "vary"], { n: 8, seed: randomSeed() });
    } else {
      form.set("seed", randomSeed());
      run();
    }
  }
}

function tasks(found, task) {
  const choose = (event) => (location.hash = address(["make", found.id, event.target.value]));
  return h(
    "fieldset",
    { class: "field" },
    h("legend", { class: "visually-hidden" }, "Task"),
    h("div", { class: "field-head", "aria-hidden": "true" }, "Task"),
    h(
      "div",
      { class: "choices", onchange: choose },
      found.tasks.map((one) =>
        h(
          "label",
          { class: "choice" },
          h("input", { type: "radio", name: "task", value: one, checked: one === task }),
          h("span", {}, verb(one)),
        ),
      ),
    ),
  );
}

function empty(found, task) {
  return h(
    "div",
    { class: "empty" },
    found.sheet && picture(found.sheet, `Samples of ${found.id}`, { class: pixelClass(found.image) }),
    h("p", {}, "Press ", h("strong", {}, verb(task)), ", and your pictures come here."),
  );
}
