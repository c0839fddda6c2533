// Make: any task of any model, by a form that its JSON Schema makes.

import { boundsOf } from "../bounds.js";
import { announce, counted, h, randomSeed } from "../dom.js";
import { modelChooser, pageHead } from "../model-chooser.js";
import { allModels, model as readModel, pixelClass, verb } from "../models.js";
import { openingPictures, openingValues, remembered } from "../opening.js";
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
  const opening = openingValues(found, task);
  form.load(
    found.inputs[task],
    { ...FIRST, ...opening, ...route.query },
    { pictures: found.examples, bounds: await boundsOf(found, task) },
  );
  const carried = takeCarried();
  if (carried) form.put(carried);

  const rivals = models.filter((one) => one.id !== found.id && one.data === found.data && one.tasks.includes(task));
  const beside = h(
    "select",
    { class: "select", id: "beside" },
    h("option", { value: "" }, "no other model"),
    rivals.map((one) => h("option", { value: one.id, selected: one.id === route.query.beside }, one.id)),
  );
  const stop = h("button", { class: "button quiet", type: "button", hidden: true }, "Cancel");
  const stage = h("div", { class: "stage" }, empty(found, task));
  const panel = h(
    "form",
    { class: "panel", novalidate: true, "aria-label": "What to make" },
    modelChooser("make", models, found),
    found.tasks.length > 1 && tasks(found, task),
    form,
    rivals.length > 0 && besideField(beside),
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
  form.open(await openingPictures(found, task, signal));
  if ("seed" in route.query || "seeds" in route.query) run();

  async function run() {
    running?.abort();
    const mine = (running = new AbortController());
    await form.settled();
    if (mine.signal.aborted) return;
    const { values, pictures } = form;
    const rival = rivals.find((one) => one.id === beside.value);
    const asked = [found, rival].filter(Boolean).map((one) => ({
      ...one,
      waiting: placeholder(values.n ?? values.frames ?? 1, one.image),
    }));
    const answers = h(
      "div",
      { class: "answers" },
      asked.map(({ waiting }) => waiting.element),
    );
    form.clearErrors();
    stop.hidden = false;
    clear();
    stage.prepend(answers);
    try {
      let input = values;
      for (const one of asked) input = await answer(one, input, pictures, mine.signal);
      remember(["make", found.id, task], { ...remembered(opening, input), beside: rival?.id });
      announce(`${verb(task)}: ${counted(answers.querySelectorAll(".tile, .stats, .latent").length, "result")}`);
    } catch (error) {
      if (mine.signal.aborted || form.showErrors(error.errors ?? [])) answers.remove();
      else answers.replaceWith(problemView(error, run));
      if (!stage.children.length) stage.append(empty(found, task));
    } finally {
      if (running === mine) stop.hidden = true;
    }
  }

  /**
   * Asks one model, and puts what it made in the place that waits for it.
   * @returns the input with the seed that was drawn, so that the next model draws from the same
   */
  async function answer({ id, takes, image, waiting }, input, given, aborted) {
    const order = { model: id, task, input: taken(input, takes[task]) };
    const pictures = taken(given, takes[task]);
    const prediction = await predict(order, { pictures, signal: aborted, onEvent: waiting.onEvent });
    const { seed } = prediction.input;
    const drawn = seed === undefined ? {} : { seed };
    const made = { ...order, input: { ...order.input, ...drawn } };
    waiting.element.replaceWith(result(prediction, made, pictures, image, { useAsInput, moreLikeThis }));
    return { ...input, ...drawn };
  }

  /** Makes room for the next result: what is no result goes, and so do the oldest. */
  function clear() {
    for (const child of Array.from(stage.children)) {
      if (!child.matches(".answers") || child.querySelector("[aria-busy]")) child.remove();
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

/** The inputs that have one of these names. */
function taken(given, names) {
  return Object.fromEntries(Object.entries(given).filter(([name]) => names.includes(name)));
}

/** The field that says with which other model, if any, the request is shared. */
function besideField(select) {
  return h(
    "div",
    { class: "field" },
    h("div", { class: "field-head" }, h("label", { for: "beside" }, "Compare with")),
    select,
    h("p", { class: "hint" }, "It is asked for the same, and draws from the same seed."),
  );
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
