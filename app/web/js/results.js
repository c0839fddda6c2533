// What came back: pictures as a grid, each with its seed and what can be done with it.

import "./compare-slider.js";
import { showDialog } from "./dialog.js";
import { counted, duration, h, icon, iconButton, words } from "./dom.js";
import { pixelClass } from "./models.js";
import { DRAGGED, download, picture, shownPicture } from "./pictures.js";
import { pathOf } from "./predictions.js";
import { address } from "./router.js";
import { copyAs } from "./copy-as.js";

/**
 * @typedef {object} Actions
 * @property {(image: any, model: string) => void} [useAsInput]
 * @property {((image: any) => void) | null} [moreLikeThis]
 * @property {boolean} [here] whether this is the page of the prediction itself
 */

/**
 * A grid that is there before its pictures are: as many places as were asked for.
 * @param {number} count
 * @param {{height: number, width: number}} image
 */
export function placeholder(count, image) {
  const progress = h("progress", { hidden: true, "aria-label": "Progress" });
  const told = h("p", {}, "…");
  const preview = h("img", {
    class: `preview-image ${pixelClass(image)}`,
    alt: "The picture as it stands",
    hidden: true,
  });
  const tiles = h(
    "div",
    { class: tilesClass(count, image), "aria-hidden": "true" },
    Array.from({ length: count }, () => h("div", { class: "tile" }, h("div", { class: "skeleton" }))),
  );
  tiles.style.setProperty("--ratio", `${image.width} / ${image.height}`);
  const element = h(
    "section",
    { class: "result", "aria-busy": "true" },
    h("div", { class: "result-head" }, told),
    progress,
    preview,
    tiles,
  );
  /** @param {string} name @param {any} data of an event of the prediction */
  function onEvent(name, data) {
    told.textContent = standing(name, data) ?? told.textContent;
    if (name === "progress") Object.assign(progress, { hidden: false, max: data.total, value: data.step });
    if (name === "preview") {
      Object.assign(preview, { hidden: false, src: data.image });
      tiles.hidden = true;
    }
  }
  return { element, onEvent };
}

/**
 * Where a prediction is by what happened to it, in words; undefined for what says nothing of that.
 * @param {string} name @param {any} data of an event
 * @returns {string | undefined}
 */
export function standing(name, data) {
  const said = {
    queued: () => waiting(data),
    started: () => "At work",
    loading: () => loading(data),
    loaded: () => "At work",
    progress: () => `Step ${data.step} of ${data.total}`,
  };
  return said[name]?.();
}

function loading({ estimate_s }) {
  return estimate_s === null ? "Loading the model" : `Loading the model (about ${duration(estimate_s * 1000)})`;
}

/** @param {{position: number, eta_s: number | null}} queued @returns {string} */
function waiting({ position, eta_s }) {
  const before = position === 0 ? "Next in line" : `${counted(position, "request")} before this one`;
  return eta_s === null ? before : `${before}, about ${duration(eta_s * 1000)}`;
}

/**
 * @param {any} prediction that succeeded
 * @param {import("./predictions.js").Order} order
 * @param {import("./predictions.js").Pictures} pictures
 * @param {{height: number, width: number}} image
 * @param {Actions} actions
 */
export function result(prediction, order, pictures, image, actions) {
  const { output, metrics } = prediction;
  return h(
    "section",
    { class: "result" },
    h(
      "div",
      { class: "result-head" },
      h("div", {}, h("h2", {}, asked(prediction)), h("p", {}, measured(output, metrics))),
      h(
        "div",
        { class: "wrap" },
        h(
          "button",
          { class: "button small", type: "button", onclick: () => copyAs(order, pictures) },
          icon("code"),
          "Copy as code",
        ),
        bundles(prediction),
        !actions.here && linkTo(prediction.id),
      ),
    ),
    comparison(prediction, pictures),
    output.every((one) => one.url) ? grid(prediction, image, actions) : output.map(numbers),
  );
}

/** The address of a prediction's own page. @param {string} id */
export function linkTo(id) {
  return h("a", { class: "button small", href: address(["p", id]) }, icon("link"), "Its page");
}

/** Several images as one file. */
function bundles({ id, output }) {
  if (output.length < 2 || !output[0].url) return null;
  const one = ([words, path, file]) =>
    h(
      "button",
      { class: "button small", type: "button", onclick: () => download(`${pathOf(id)}/${path}`, `${id}.${file}`) },
      icon("download"),
      words,
    );
  return [
    ["Sheet", "grid.png", "png"],
    ["ZIP", "archive.zip", "zip"],
    ["GIF", "animation.gif", "gif"],
    ["WebP", "animation.webp", "webp"],
  ].map(one);
}

/** Tasks whose answer shows what the given picture shows. */
const COMPARED = ["upscale", "stylize", "dream", "inpaint"];

/** The picture that was given, with the one that was made of it drawn over it. */
function comparison({ task, output }, pictures) {
  const [given] = pictures.image ?? [];
  if (!COMPARED.includes(task) || !given || !output[0]?.url) return null;
  const [made] = output;
  const slider = h("compare-slider");
  slider.style.setProperty("--ratio", `${made.width} / ${made.height}`);
  slider.compare(
    shownPicture(given, { alt: `Before: ${given.name}`, class: pixelClass(made) }),
    picture(made.url, "After", { class: pixelClass(made) }),
    ["before", "after"],
  );
  return slider;
}

function grid(prediction, image, actions) {
  const { output } = prediction;
  const tiles = h(
    "div",
    { class: tilesClass(output.length, image) },
    output.map((one, index) => tile(prediction, one, index, actions)),
  );
  tiles.style.setProperty("--ratio", `${image.width} / ${image.height}`);
  return tiles;
}

/** What a task answers that makes no pictures: named values, or a latent. */
export function numbers({ values, latent }) {
  if (latent) return h("pre", { class: "code latent", tabindex: "0", "aria-label": "Latent" }, JSON.stringify(latent));
  return h(
    "dl",
    { class: "stats" },
    Object.entries(values ?? {}).map(([name, value]) =>
      h(
        "div",
        { class: "stat" },
        h("dt", {}, words(name)),
        h("dd", {}, Number(value.toPrecision(5)).toLocaleString("en")),
      ),
    ),
  );
}

function tilesClass(count, image) {
  return `tiles${count === 1 ? " one" : ""}${image.width > 64 ? " large" : ""}`;
}

function asked({ model, input }) {
  const label = input.text ?? input.label ?? input.target ?? input.direction;
  return label === undefined ? model : `${model}, ${label}`;
}

/**
 * How long it took, in words.
 * @param {{total_ms: number, load_ms: number, inference_ms: number}} metrics
 */
export function took({ total_ms, load_ms, inference_ms }) {
  const loading = load_ms > 1 ? `${duration(load_ms)} to load it, ` : "";
  return `${duration(total_ms)}: ${loading}${duration(inference_ms)} in the model`;
}

function measured(output, metrics) {
  const made = output[0]?.url ? `${counted(output.length, "picture")} in ` : "";
  const batch = metrics.batch_size > 1 ? `, batch of ${metrics.batch_size}` : "";
  return `${made}${took(metrics)}${batch}`;
}

function tile(prediction, one, index, actions) {
  const name = one.seed === null ? `picture ${index + 1}` : `seed ${one.seed}`;
  const file = `${prediction.model}-${one.seed ?? index}.png`;
  const size = { class: pixelClass(one), width: one.width, height: one.height };
  return h(
    "figure",
    { class: "tile" },
    h(
      "button",
      {
        class: "open",
        type: "button",
        "aria-label": `Enlarge ${name}`,
        onclick: () => enlarge(prediction, one, file, actions),
      },
      picture(one.url, `${prediction.model}, ${name}`, { ...size, ...draggable(one.url) }),
    ),
    h(
      "div",
      { class: "tools" },
      iconButton("download", `Download ${name}`, () => download(one.url, file)),
      actions.useAsInput && iconButton("input", `Use ${name} as input`, () => actions.useAsInput(one, prediction.model)),
      actions.moreLikeThis && iconButton("more", `More like ${name}`, () => actions.moreLikeThis(one)),
    ),
    h("figcaption", {}, one.seed ?? ""),
  );
}

/** What lets an image of this server be dragged into a form. @param {string} url */
function draggable(url) {
  return {
    draggable: "true",
    ondragstart: (event) => event.dataTransfer.setData(DRAGGED, url),
  };
}

/** One picture, large, with all that is known of it. */
function enlarge(prediction, one, file, actions) {
  const { metrics } = prediction;
  const rows = {
    Seed: one.seed,
    Size: `${one.width} × ${one.height}`,
    Batch: metrics.batch_size,
    Waited: duration(metrics.queue_ms),
    "In the model": duration(metrics.inference_ms),
    "In all": duration(metrics.total_ms),
    SHA256: `${one.sha256.slice(0, 12)}…`,
  };
  const facts = Object.entries(rows).filter(([, value]) => value !== null);
  const act = (action) => () => {
    dialog.close();
    action(one, prediction.model);
  };
  const dialog = showDialog(
    prediction.model,
    h(
      "div",
      { class: "large-picture" },
      picture(one.url, `${prediction.model}, seed ${one.seed ?? "none"}`, { class: pixelClass(one) }),
      h(
        "dl",
        { class: "facts" },
        facts.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, String(value))]),
      ),
      h(
        "div",
        { class: "wrap actions" },
        h(
          "button",
          { class: "button", type: "button", onclick: () => download(one.url, file) },
          icon("download"),
          "Download",
        ),
        actions.useAsInput &&
          h(
            "button",
            { class: "button", type: "button", onclick: act(actions.useAsInput) },
            icon("input"),
            "Use as input",
          ),
        actions.moreLikeThis &&
          h(
            "button",
            { class: "button", type: "button", onclick: act(actions.moreLikeThis) },
            icon("more"),
            "More like this",
          ),
      ),
    ),
  );
}
