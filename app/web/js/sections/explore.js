// Explore: what lies between pictures. Drag between four of them, walk around them, change one number of the latent.

import { h, icon, randomSeed } from "../dom.js";
import { copyAs } from "../copy-as.js";
import { around, inPlane, withDimension } from "../latents.js";
import { latest } from "../latest.js";
import { lacking, modelChooser, pageHead } from "../model-chooser.js";
import { allModels, model as readModel, pixelClass } from "../models.js";
import { predict } from "../predictions.js";
import { problemView } from "../problem-view.js";
import { took } from "../results.js";
import { remember } from "../router.js";
import "../latent-plane.js";
import "../schema-form.js";

const FRAMES = 32;
const FRAMES_PER_SECOND = 12;
const REST_MS = 120;
const SPREAD = [-3, -2, -1, 0, 1, 2, 3];
const OWN = ["n", "seed", "latent", "truncation", "temperature"];

/** @param {HTMLElement} page @param {import("../router.js").Route} route @param {AbortSignal} signal */
export async function show(page, route, signal) {
  const models = (await allModels()).filter((one) => taskOf(one));
  page.append(
    pageHead(
      "Explore",
      "See what lies between pictures. Drag the knob: each place is a picture that the model makes at once.",
    ),
  );
  if (!models.length) return page.append(h("p", { class: "lede" }, "No model of this server takes a latent."));
  const found = await readModel(route.parts[0] ?? models[0].id);
  const task = taskOf(found);
  if (!task) return page.append(lacking(found, "makes no pictures from a latent", "explore", models));
  const pixels = pixelClass(found.image);

  let seed = Number(route.query.seed ?? randomSeed());
  let corners = null;
  let here = null;
  let resting = null;
  let stopPlaying = () => {};
  signal.addEventListener("abort", () => {
    stopPlaying();
    clearTimeout(resting);
  });

  const form = h("schema-form");
  form.load(found.inputs[task], route.query, { without: OWN });
  const plane = h("latent-plane");
  const shown = h("div", { class: "shown skeleton" });
  const told = h("p", { class: "hint" }, "…");
  const trouble = h("div", {});
  const play = h("button", { class: "button", type: "button", onclick: walk }, icon("play"), "Walk around the four");
  const strip = h("div", { class: "strip", tabindex: "0", role: "group", "aria-label": "One number changed" });
  const dimension = h("input", { class: "input number", type: "number", id: "dimension", min: 0, value: 0 });
  page.append(
    h(
      "div",
      { class: "bench" },
      h(
        "form",
        { class: "panel", "aria-label": "What to explore", onsubmit: (event) => event.preventDefault() },
        modelChooser("explore", models, found),
        form,
        h(
          "div",
          { class: "actions" },
          h("button", { class: "button primary", type: "button", onclick: draw }, icon("dice"), "Draw four others"),
          play,
        ),
        trouble,
      ),
      h(
        "div",
        { class: "stage" },
        h(
          "section",
          { class: "plane" },
          plane,
          h("div", { class: "result" }, shown, h("div", { class: "result-head" }, told, copyButton())),
        ),
        h(
          "section",
          { class: "result" },
          h(
            "div",
            { class: "result-head" },
            h("h2", {}, "Change one number of the latent"),
            h("div", { class: "row" }, h("label", { class: "hint", for: "dimension" }, "Dimension"), dimension),
          ),
          strip,
        ),
      ),
    ),
  );

  const order = (input, output) => ({ model: found.id, task, input: { ...form.values, ...input }, output });
  /** What passes under the hand is nothing to keep: it leaves no row in the history. */
  const drawLatent = (latent, options) =>
    predict(order({ latent }, { b64_json: true, metadata: false }), { signal, kept: false, ...options });

  const drag = latest(
    async (at, aborted) => {
      const prediction = await drawLatent(at, { signal: aborted });
      here = at;
      reveal(prediction.output[0]);
      told.textContent = took(prediction.metrics);
      clearTimeout(resting);
      resting = setTimeout(traverse, REST_MS, at);
    },
    tell(() => drag(inPlane(corners, plane.at))),
    signal,
  );

  const traverse = latest(
    async (latent, aborted) => {
      const places = SPREAD.map((value) => withDimension(latent, Number(dimension.value), value));
      const made = await Promise.all(places.map((one) => drawLatent(one, { signal: aborted })));
      strip.replaceChildren(
        ...made.map(({ output }, index) =>
          h("figure", {}, image(output[0], `${SPREAD[index]}`), h("figcaption", {}, SPREAD[index])),
        ),
      );
    },
    tell(() => traverse(here)),
    signal,
  );

  plane.addEventListener("input", () => {
    stopPlaying();
    if (corners) drag(inPlane(corners, plane.at));
  });
  dimension.addEventListener("input", () => here && dimension.checkValidity() && traverse(here));
  form.addEventListener("change", () => four());
  await four();

  function draw() {
    seed = randomSeed();
    four();
  }

  /** The four corners: samples, and the latents that they were made from. */
  async function four() {
    stopPlaying();
    trouble.replaceChildren();
    form.clearErrors();
    try {
      const prediction = await predict(order({ n: 4, seed }, { latents: true, b64_json: true, metadata: false }), {
        signal,
      });
      corners = prediction.output.map((one) => one.latent);
      plane.corners = prediction.output.map((one, index) => image(one, `Corner ${index + 1}`));
      dimension.max = corners[0].length - 1;
      remember(["explore", found.id], { ...form.values, seed });
      drag(inPlane(corners, plane.at));
    } catch (error) {
      tell(four)(error);
    }
  }

  /** What says in words that something failed, and offers to try it again. */
  function tell(retry) {
    return (error) => {
      shown.classList.remove("skeleton");
      if (signal.aborted || form.showErrors(error.errors ?? [])) return;
      const again = () => {
        trouble.replaceChildren();
        retry();
      };
      trouble.replaceChildren(problemView(error, again));
    };
  }

  /** Asks for all frames at once, which the worker answers in few batches, and plays them. */
  async function walk() {
    if (play.dataset.playing) return stopPlaying();
    if (!corners) return;
    play.disabled = true;
    try {
      const made = await Promise.all(around(corners, FRAMES).map((latent) => drawLatent(latent)));
      playFrames(made.map(({ output }) => image(output[0], "A walk through the four corners")));
    } catch (error) {
      tell(walk)(error);
    }
    play.disabled = false;
  }

  function playFrames(frames) {
    let index = 0;
    const timer = setInterval(() => shown.replaceChildren(frames[index++ % frames.length]), 1000 / FRAMES_PER_SECOND);
    play.dataset.playing = "yes";
    play.replaceChildren(icon("pause"), "Stop");
    stopPlaying = () => {
      clearInterval(timer);
      delete play.dataset.playing;
      play.replaceChildren(icon("play"), "Walk around the four");
      stopPlaying = () => {};
    };
  }

  function reveal(one) {
    shown.classList.remove("skeleton");
    shown.replaceChildren(image(one, "The picture at the knob"));
  }

  function image(one, alt) {
    return h("img", { class: pixels, alt, src: `data:image/png;base64,${one.b64_json}`, draggable: "false" });
  }

  function copyButton() {
    const copy = () => here && copyAs(order({ latent: here }), {});
    return h("button", { class: "button small", type: "button", onclick: copy }, icon("code"), "Copy as code");
  }
}

/** The task that makes a picture from a latent, if the model has one. */
function taskOf(one) {
  return ["sample", "conditional", "text"].find((task) => one.takes[task]?.includes("latent"));
}
