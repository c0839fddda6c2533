// Make: any task of any model, by a form that its JSON Schema makes.

import { ask, askedBefore, withSeed } from "../asking.js";
import { batch } from "../batch.js";
import { boundsOf } from "../bounds.js";
import { announce, counted, h, randomId, randomSeed } from "../dom.js";
import { modelChooser, pageHead } from "../model-chooser.js";
import { allModels, model as readModel, pixelClass, verb } from "../models.js";
import { openingPictures, openingValues, remembered } from "../opening.js";
import { carry, fetched, picture, takeCarried } from "../pictures.js";
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
    {
      pictures: found.examples,
      classPictures: found.class_pictures,
      bounds: await boundsOf(found, task),
      several: "mask" in found.inputs[task].properties ? null : "image",
    },
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
  if (route.query.p) again(route.query.p.split(","));
  else if ("seed" in route.query || "seeds" in route.query) run();

  async function run() {
    running?.abort();
    const mine = (running = new AbortController());
    await form.settled();
    if (mine.signal.aborted) return;
    const { values, pictures } = form;
    if (pictures.image?.length > 1 && "image" in found.inputs[task].properties) return many(values, pictures, mine);
    const rival = rivals.find((one) => one.id === beside.value);
    const asked = [found, rival].filter(Boolean).map((one) => ({
      ...one,
      name: randomId(),
      waiting: placeholder(values.n ?? values.frames ?? 1, one.image),
    }));
    const p = asked.map(({ name }) => name).join(",");
    const answers = waitingFor(asked);
    form.clearErrors();
    stop.hidden = false;
    remember(["make", found.id, task], { ...remembered(opening, values), beside: rival?.id, p });
    try {
      let input = values;
      for (const one of asked) input = await answer(one, input, pictures, mine.signal);
      remember(["make", found.id, task], { ...remembered(opening, input), beside: rival?.id, p });
      announceResults(answers);
    } catch (error) {
      if (mine.signal.aborted || form.showErrors(error.errors ?? [])) answers.remove();
      else answers.replaceWith(problemView(error, run));
      if (!stage.children.length) stage.append(empty(found, task));
    } finally {
      if (running === mine) stop.hidden = true;
    }
  }

  /** The same of each of several pictures. */
  async function many(input, { image, ...others }, mine) {
    form.clearErrors();
    const order = { model: found.id, task, input: taken(input, found.takes[task]) };
    clear();
    const { element, done } = batch(order, "image", image, others, mine.signal);
    stage.prepend(element);
    stop.hidden = false;
    try {
      await done;
      announce(`${verb(task)}: ${counted(image.length, "picture")}`);
    } catch (error) {
      element.remove();
      if (!mine.signal.aborted) stage.prepend(problemView(error, run));
    } finally {
      if (running === mine) stop.hidden = true;
    }
  }

  /** Shows predictions that the address names: those that are underway go on. */
  async function again(names) {
    const asked = names.map((name) => ({ name, waiting: placeholder(Number(route.query.n ?? 1), found.image) }));
    const answers = waitingFor(asked);
    try {
      for (const { name, waiting } of asked) {
        const { prediction, order, pictures } = await askedBefore(name, { signal, onEvent: waiting.onEvent });
        if (pictures.image?.[0]?.blob.size) form.put(pictures.image[0]);
        reveal(waiting, prediction, order, pictures, (await readModel(order.model)).image);
      }
      announceResults(answers);
    } catch (error) {
      if (signal.aborted) return;
      answers.remove();
      if (error.status === 404 && "seed" in route.query) run();
      else stage.prepend(problemView(error, run));
    }
  }

  function waitingFor(asked) {
    const answers = h(
      "div",
      { class: "answers" },
      asked.map(({ waiting }) => waiting.element),
    );
    clear();
    stage.prepend(answers);
    return answers;
  }

  function announceResults(answers) {
    announce(`${verb(task)}: ${counted(answers.querySelectorAll(".tile, .stats, .latent").length, "result")}`);
  }

  function reveal(waiting, prediction, order, pictures, image) {
    waiting.element.replaceWith(result(prediction, order, pictures, image, { useAsInput, moreLikeThis }));
  }

  /**
   * Asks one model, and puts what it made in the place that waits for it.
   * @returns the input with the seed that was drawn, so that the next model draws from the same
   */
  async function answer({ id, name, takes, image, waiting }, input, given, aborted) {
    const order = { model: id, task, input: taken(input, takes[task]) };
    const pictures = taken(given, takes[task]);
    const prediction = await ask(order, { id: name, pictures, signal: aborted, onEvent: waiting.onEvent });
    reveal(waiting, prediction, { ...order, input: withSeed(order.input, prediction) }, pictures, image);
    return withSeed(input, prediction);
  }

  /** Makes room for the next result: what is no result goes, and so do the oldest. */
  function clear() {
    for (const child of Array.from(stage.children)) {
      if (!child.matches(".answers, .result") || child.querySelector("[aria-busy]")) child.remove();
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
