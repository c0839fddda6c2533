// A table with a caption, which scrolls sideways where the page is narrow.

import { h } from "./dom.js";

/**
 * @param {string} caption
 * @param {string[]} columns
 * @param {(string | number | Node)[][]} rows at least one; numbers are set to the right
 * @returns {HTMLElement}
 */
export function table(caption, columns, rows) {
  const cell = (value) =>
    h(
      "td",
      { class: typeof value === "number" ? "number" : null },
      typeof value === "number" ? value.toLocaleString("en") : value,
    );
  return h(
    "div",
    { class: "scroll-x", tabindex: "0", role: "region", "aria-label": caption },
    h(
      "table",
      {},
      h("caption", {}, caption),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          columns.map((name, index) =>
            h("th", { scope: "col", class: typeof rows[0][index] === "number" ? "number" : null }, name),
          ),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map((row) => h("tr", {}, row.map(cell))),
      ),
    ),
  );
}
