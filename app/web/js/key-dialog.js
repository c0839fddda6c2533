// Asks for an API key, once for all requests that wait for one.

import { h } from "./dom.js";

let asking = null;

const WHY = {
  first: ["This Easel asks for an API key", "Whoever runs it makes one with "],
  refused: ["This Easel asks for an API key", "That key is unknown or was revoked. Another is made with "],
  change: ["Use another API key", "It takes the place of the one that this tab uses now. A key is made with "],
};

/**
 * @param {"first" | "refused" | "change"} why no key was tried yet, one was refused, or the visitor wants another
 * @returns {Promise<string | null>} the key, or null if the visitor has none
 */
export function askForKey(why) {
  asking ??= ask(why).finally(() => (asking = null));
  return asking;
}

function ask(why) {
  const [title, maker] = WHY[why];
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
      h("h2", { id: "key-title" }, title),
      h(
        "p",
        { class: "hint" },
        maker,
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
