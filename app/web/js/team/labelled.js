// Inputs with their labels, for the forms of this section.

import { h } from "../dom.js";

/**
 * @param {string} label
 * @param {HTMLElement} control with an id
 * @param {string} [hint]
 */
export function labelled(label, control, hint) {
  if (hint) control.setAttribute("aria-describedby", `${control.id}-hint`);
  return h(
    "div",
    { class: "field" },
    h("div", { class: "field-head" }, h("label", { for: control.id }, label)),
    control,
    hint && h("p", { class: "hint", id: `${control.id}-hint` }, hint),
  );
}
