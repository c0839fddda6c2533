// The field that says which model a section works with.

import { h } from "./dom.js";
import { verb } from "./models.js";
import { address, formOf } from "./router.js";

/**
 * @param {string} section whose address a choice leads to
 * @param {any[]} models
 * @param {any} found the one that is chosen
 */
export function modelChooser(section, models, found) {
  const select = h(
    "select",
    { class: "select", id: "model", onchange: () => (location.hash = address([section, select.value])) },
    models.map((one) => h("option", { value: one.id, selected: one.id === found.id }, one.id)),
  );
  return h(
    "div",
    { class: "field" },
    h(
      "div",
      { class: "field-head" },
      h("label", { for: "model" }, "Model"),
      h("a", { class: "hint", href: address(["models", found.id]) }, "About it"),
    ),
    select,
    h("p", { class: "hint" }, `${found.summary}.`),
  );
}

/**
 * Says that a section has nothing for a model, what there is for it, and which models the section is for.
 * @param {any} found
 * @param {string} what that it does not do, such as `translates no pictures`
 * @param {string} section
 * @param {any[]} models
 */
export function lacking(found, what, section, models) {
  const link = (path, words) => h("a", { class: "button", href: address(path) }, words);
  return h(
    "div",
    { class: "notice", role: "alert" },
    h("strong", {}, `${found.id} ${what}`),
    h("p", {}, "What it does:"),
    h(
      "p",
      { class: "wrap" },
      found.tasks.map((task) => link(formOf(found.id, task), verb(task))),
    ),
    h("p", {}, "Models of this section:"),
    h(
      "p",
      { class: "wrap" },
      models.map((one) => link([section, one.id], one.id)),
    ),
  );
}

/** @param {string} title @param {string} lede @param {...Node} more */
export function pageHead(title, lede, ...more) {
  return h("header", { class: "head" }, h("h1", {}, title), h("p", { class: "lede" }, lede), ...more);
}
