// Many pictures, one task: a prediction for each, shown as they come, and all of them as one sheet or archive.

import { ask } from "./asking.js";
import { counted, duration, h, icon, randomId } from "./dom.js";
import { fetched, picture, saveBlob } from "./pictures.js";
import { problemView } from "./problem-view.js";
import { pixelClass } from "./models.js";
import { numbers } from "./results.js";
import { address } from "./router.js";
import { zip } from "./zip.js";

/** Predictions underway: enough for a worker to fill a batch, few enough for others to get between. */
const AT_ONCE = 4;

/**
 * Asks for the same of each picture. What fails is told in its place; the others go on.
 * @param {import("./predictions.js").Order} order
 * @param {string} field the input that takes the picture
 * @param {import("./pictures.js").Picture[]} given
 * @param {import("./predictions.js").Pictures} others that go with each
 * @param {AbortSignal} signal
 * @returns {{element: HTMLElement, done: Promise<void>}}
 */
export function batch(order, field, given, others, signal) {
  const since = performance.now();
  const told = h("p", { role: "status" }, `0 of ${given.length}`);
  const progress = h("progress", { "aria-label": "Progress", max: given.length, value: 0 });
  const tiles = h("div", { class: "tiles large" });
  const places = given.map((one) =>
    h(
      "figure",
      { class: "tile" },
      h("div", { class: "skeleton" }),
      h("figcaption", {}, one.name),
    ),
  );
  tiles.append(...places);
  const made = new Array(given.length).fill(null);
  const tools = h(
    "div",
    { class: "wrap" },
    tool("Sheet", async () => saveBlob(await sheet(images(), tiles), `${order.model}-sheet.png`)),
    tool("ZIP", async () => saveBlob(await zip(await files()), `${order.model}.zip`)),
  );
  tools.hidden = true;
  const element = h(
    "section",
    { class: "result", "aria-busy": "true" },
    h("div", { class: "result-head" }, h("div", {}, h("h2", {}, `${order.model}, ${counted(given.length, "picture")}`), told), tools),
    progress,
    tiles,
  );

  function images() {
    return made.filter(Boolean).map((prediction) => prediction.output[0]);
  }

  async function files() {
    const done = made.map((prediction, index) => ({ prediction, name: given[index].name })).filter((one) => one.prediction);
    return Promise.all(
      done.map(async ({ prediction, name }, index) => ({
        name: `${String(index + 1).padStart(4, "0")}-${name.replace(/\.\w+$/, "")}.png`,
        blob: (await fetched(prediction.output[0].url)).blob,
      })),
    );
  }

  async function one(index) {
    const id = randomId();
    try {
      const pictures = { ...others, [field]: [given[index]] };
      made[index] = await ask(order, { id, pictures, signal });
      const [image] = made[index].output;
      const shown = image.url
        ? picture(image.url, `${order.model} of ${given[index].name}`, { class: pixelClass(image) })
        : numbers(image);
      places[index].style.setProperty("--ratio", `${image.width ?? 1} / ${image.height ?? 1}`);
      places[index].firstChild.replaceWith(h("a", { class: "open", href: address(["p", id]) }, shown));
    } catch (error) {
      if (signal.aborted) throw error;
      places[index].firstChild.replaceWith(problemView(error));
    }
    progress.value += 1;
    told.textContent = `${progress.value} of ${given.length}`;
  }

  async function all() {
    const indices = given.keys();
    await Promise.all(
      Array.from({ length: Math.min(AT_ONCE, given.length) }, async () => {
        for (const index of indices) await one(index);
      }),
    );
    element.removeAttribute("aria-busy");
    progress.remove();
    const failed = made.filter((prediction) => prediction === null).length;
    told.textContent =
      `${counted(given.length - failed, "picture")} in ${duration(performance.now() - since)}` +
      (failed ? `, ${failed} refused` : "");
    tools.hidden = images().every((image) => !image.url);
  }

  return { element, done: all() };
}

function tool(words, onclick) {
  return h("button", { class: "button small", type: "button", onclick }, icon("download"), words);
}

/**
 * The images on one sheet, as square as can be, each in the middle of a place that holds the largest.
 * @param {{url: string, width: number, height: number}[]} images @param {HTMLElement} shown for its background
 * @returns {Promise<Blob>} a PNG
 */
async function sheet(images, shown) {
  const columns = Math.ceil(Math.sqrt(images.length));
  const width = Math.max(...images.map((one) => one.width));
  const height = Math.max(...images.map((one) => one.height));
  const canvas = h("canvas", { width: columns * width, height: Math.ceil(images.length / columns) * height });
  const context = canvas.getContext("2d");
  context.fillStyle = getComputedStyle(shown).getPropertyValue("--surface") || "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  for (const [index, one] of images.entries()) {
    const bitmap = await createImageBitmap((await fetched(one.url)).blob);
    const left = (index % columns) * width + (width - one.width) / 2;
    context.drawImage(bitmap, Math.round(left), Math.round(Math.floor(index / columns) * height + (height - one.height) / 2));
  }
  return new Promise((resolve) => canvas.toBlob(resolve));
}
