// A dialog over the page.

import { h, iconButton } from "./dom.js";

/**
 * Shows a dialog with a title and a button that closes it; closed, it is gone.
 * @param {string} title
 * @param {...(Node | false)} children
 * @returns {HTMLDialogElement}
 */
export function showDialog(title, ...children) {
  const dialog = h(
    "dialog",
    { "aria-labelledby": "dialog-title", onclose: () => dialog.remove() },
    h(
      "div",
      { class: "dialog-body" },
      h(
        "div",
        { class: "dialog-head" },
        h("h2", { id: "dialog-title" }, title),
        iconButton("close", "Close", () => dialog.close()),
      ),
      ...children,
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
