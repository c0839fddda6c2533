// Asks for an API key, once for all requests that wait for one.

import { h } from "./dom.js";

let asking = null;

/**
 * @param {boolean} first whether no key was tried yet
 * @returns {Promise<string | null>} the key, or null if the visitor has none
 */
export function askForKey(first) {
  asking ??= ask(first).finally(() => (asking = null));
  return asking;
}

function ask(first) {
  const input = h("input", {
    class: "input",
    name: "key",
    id: "key",
    required: true,
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "ek_…",
  });
  const dialog = h(
    "dialog",
    { "aria-labelledby": "key-title" },
    h(
      "form",
      { class: "dialog-body", method: "dialog" },
      h("h2", { id: "key-title" }, "This Easel asks for an API key"),
      h(
        "p",
        { class: "hint" },
        first ? "Whoever runs it makes one with " : "That key is unknown or was revoked. Another is made with ",
        h("code", {}, "easel keys create"),
        ". It is kept in this tab only, until you close it.",
      ),
      h("div", { class: "field" }, h("label", { for: "key" }, "API key"), input),
      h(
        "div",
        { class: "wrap" },
        h("button", { class: "button primary", value: "use" }, "Use this key"),
        h("button", { class: "button quiet", value: "", formnovalidate: true }, "Not now"),
      ),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "use" ? input.value.trim() : null);
    });
  });
}
