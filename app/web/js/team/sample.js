// The first sample of a version: by the form of its first task, filled in as far as it can be.

import { json } from "../api.js";
import { boundsOf } from "../bounds.js";
import { h } from "../dom.js";
import { verb } from "../models.js";
import { openingPictures, openingValues } from "../opening.js";
import { predict } from "../predictions.js";
import { problemView } from "../problem-view.js";
import { placeholder, result } from "../results.js";
import "../schema-form.js";

const FIRST = { n: 4 };

/**
 * @param {any} version
 * @param {string} path of its card
 * @param {() => Promise<void>} done
 * @param {AbortSignal} signal
 * @returns {Promise<HTMLElement>} the form; what it makes comes below it, at once where nothing has to be given
 */
export async function sample(version, path, done, signal) {
  const found = await json(path, { signal });
  const [task] = found.tasks;
  const form = h("schema-form");
  const values = { ...FIRST, ...openingValues(found, task) };
  form.load(found.inputs[task], values, { pictures: found.examples, bounds: await boundsOf(found, task) });
  form.open(await openingPictures(found, task, signal));
  const stage = h("div", {});
  const onsubmit = (event) => {
    event.preventDefault();
    run();
  };
  const panel = h(
    "div",
    { class: "team-sample" },
    h(
      "form",
      { class: "panel", novalidate: true, "aria-label": `A sample of ${version.model}`, onsubmit },
      form,
      h("div", { class: "actions" }, h("button", { class: "button primary" }, verb(task))),
    ),
    stage,
  );
  const given = form.pictures;
  if ((found.inputs[task].required ?? []).every((name) => name in form.values || name in given)) run();
  return panel;

  async function run() {
    form.clearErrors();
    await form.settled();
    const { values: input, pictures } = form;
    const waiting = placeholder(input.n ?? 1, found.image);
    stage.replaceChildren(waiting.element);
    const order = { model: version.reference, task, input };
    try {
      const prediction = await predict(order, { pictures, signal, onEvent: waiting.onEvent });
      stage.replaceChildren(result(prediction, order, pictures, found.image, {}));
    } catch (error) {
      if (signal.aborted || form.showErrors(error.errors ?? [])) stage.replaceChildren();
      else stage.replaceChildren(problemView(error, run));
    }
  }
}
