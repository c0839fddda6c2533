// What a card says for people: what it lacks is filled in.

import { json } from "../api.js";
import { h } from "../dom.js";
import { problemView } from "../problem-view.js";
import { labelled } from "./labelled.js";

/**
 * The form of a version.
 * @param {any} version
 * @param {string} path of its card
 * @param {() => Promise<void>} done
 * @param {AbortSignal} signal
 * @returns {Promise<HTMLElement>}
 */
export async function describe(version, path, done, signal) {
  const { card } = await json(path, { signal });
  const controls = {
    summary: h("input", { class: "input", id: "card-summary", required: true, maxlength: "500", value: card.summary }),
    licence: h("input", { class: "input", id: "card-licence", required: true, maxlength: "500", value: card.licence }),
    limits: h("textarea", { class: "input", id: "card-limits", rows: "3", maxlength: "5000", value: card.limits }),
  };
  const lacking = Object.keys(controls).filter((name) => !card[name]);
  const trouble = h("div", {});
  const onsubmit = async (event) => {
    event.preventDefault();
    const body = JSON.stringify(Object.fromEntries(Object.entries(controls).map(([name, one]) => [name, one.value])));
    try {
      await json(path, { method: "PATCH", body, headers: { "Content-Type": "application/json" } });
      await done();
    } catch (error) {
      trouble.replaceChildren(problemView(error));
    }
  };
  return h(
    "form",
    { class: "panel", "aria-label": `The card of ${version.model}`, onsubmit },
    lacking.length > 0 && h("p", { class: "hint" }, `The card does not say: ${lacking.join(", ")}.`),
    labelled("Summary", controls.summary, "What it makes, in a few words"),
    labelled("Licence", controls.licence, "Of the weights"),
    labelled("Limits", controls.limits, "What it does badly"),
    trouble,
    h("div", { class: "actions" }, h("button", { class: "button primary" }, "Save the card")),
  );
}
