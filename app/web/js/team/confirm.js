// Asks before something is done that cannot be undone.

import { showDialog } from "../dialog.js";
import { h } from "../dom.js";

/**
 * @param {string} title the question
 * @param {string} told what will follow
 * @param {string} verb on the button
 * @returns {Promise<boolean>}
 */
export function confirmed(title, told, verb) {
  return new Promise((resolve) => {
    const close = (answer) => () => dialog.close(answer);
    const dialog = showDialog(
      title,
      h("p", {}, told),
      h(
        "div",
        { class: "wrap" },
        h("button", { class: "button primary", type: "button", onclick: close("yes") }, verb),
        h("button", { class: "button quiet", type: "button", onclick: close("") }, "Not now"),
      ),
    );
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"));
  });
}
