// The field that says which model a section works with.

import { h } from "./dom.js";
import { address } from "./router.js";

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

/** @param {string} title @param {string} lede @param {...Node} more */
export function pageHead(title, lede, ...more) {
  return h("header", { class: "head" }, h("h1", {}, title), h("p", { class: "lede" }, lede), ...more);
}
