// Where a picture can go from here: what can be done with it, each by the model that fits it best.

import { showDialog } from "./dialog.js";
import { h } from "./dom.js";
import { allModels, verb } from "./models.js";
import { carry, fetched } from "./pictures.js";
import { address, formOf } from "./router.js";

const TAKES_PICTURES = ["image", "images"];
/** Tasks whose models take whatever a picture shows. */
const ANY_PICTURE = ["stylize", "dream", "upscale"];

/**
 * Asks what shall be done with an image of a prediction, and goes there.
 * @param {{url: string}} image
 * @param {string} maker the model that made it
 */
export async function useAsInput(image, maker) {
  useBlobAsInput(await fetched(image.url), maker);
}

/** @param {import("./pictures.js").Picture} given @param {string} maker */
export async function useBlobAsInput(given, maker) {
  const models = await allModels();
  const own = models.find((one) => one.id === maker);
  const tasks = new Map();
  for (const model of models) {
    for (const [task, names] of Object.entries(model.takes)) {
      if (!names.some((name) => TAKES_PICTURES.includes(name)) || !suits(model, task, own)) continue;
      if (!tasks.has(task)) tasks.set(task, []);
      tasks.get(task).push(model);
    }
  }
  const dialog = showDialog(
    "Use this picture to…",
    h(
      "div",
      { class: "uses" },
      Array.from(tasks, ([task, able]) => use(task, able.toSorted((one, other) => fit(other, own) - fit(one, own)))),
    ),
    tasks.size === 0 && h("p", { class: "hint" }, "No model of this server takes such a picture."),
  );

  /** One thing to do, and with which model. */
  function use(task, able) {
    const select = h(
      "select",
      { class: "select", "aria-label": `Model to ${verb(task).toLowerCase()} with` },
      able.map((one) => h("option", { value: one.id }, one.id)),
    );
    const go = () => {
      carry(given);
      dialog.close();
      location.hash = address(formOf(select.value, task));
    };
    return [h("button", { class: "button", type: "button", onclick: go }, verb(task)), select];
  }
}

/** Whether a model knows what is on a picture that `own` made: each was trained on one kind of picture. */
function suits(model, task, own) {
  return !own || model.data === own.data || ANY_PICTURE.includes(task);
}

/** How well a model suits a picture that `own` made: of the same data best, then of as many channels and a like size. */
function fit(model, own) {
  if (!own) return 0;
  const alike = Math.abs(Math.log2(model.image.width / own.image.width));
  return (
    (model.data === own.data ? 8 : 0) + (model.id === own.id ? 1 : 0) +
    (model.image.channels === own.image.channels ? 4 : 0) - Math.min(alike, 3)
  );
}
