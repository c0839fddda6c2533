// The dialog that shows the request just made as code.

import { heldKey } from "./api.js";
import { showDialog } from "./dialog.js";
import { h, icon } from "./dom.js";
import { HOME } from "./home.js";
import { saveBlob } from "./pictures.js";
import { filesOf, snippets } from "./snippets.js";

/**
 * @param {import("./predictions.js").Order} order
 * @param {import("./predictions.js").Pictures} pictures
 */
export function copyAs(order, pictures) {
  const found = snippets(HOME, order, pictures, heldKey() !== null);
  const names = Object.keys(found);
  const read = filesOf(pictures).filter((one) => !one.url);
  const code = h("pre", { class: "code", id: "code", role: "tabpanel", tabindex: "0" });
  const copy = h("button", { class: "button primary", type: "button" }, "Copy");
  const tabs = names.map((name, index) =>
    h("button", { type: "button", role: "tab", "aria-controls": "code", onclick: () => select(index) }, name),
  );

  function select(index) {
    tabs.forEach((tab, at) => {
      tab.setAttribute("aria-selected", String(at === index));
      tab.tabIndex = at === index ? 0 : -1;
    });
    code.textContent = found[names[index]];
    code.setAttribute("aria-label", names[index]);
    copy.textContent = "Copy";
    localStorage.setItem("language", names[index]);
  }

  const list = h("div", { class: "tabs", role: "tablist", "aria-label": "Language" }, tabs);
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = (tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length;
    select(next);
    tabs[next].focus();
  });
  copy.addEventListener("click", async () => {
    copy.textContent = (await copied(code)) ? "Copied" : "Selected: press Ctrl+C";
  });

  showDialog(
    "The request just made",
    list,
    code,
    h(
      "div",
      { class: "wrap" },
      copy,
      read.map((one) =>
        h(
          "button",
          { class: "button", type: "button", onclick: () => saveBlob(one.blob, one.name) },
          icon("download"),
          `Save ${one.name}`,
        ),
      ),
      read.length > 0 && h("p", { class: "hint" }, "Pictures of yours are read from the folder that this runs in."),
      heldKey() !== null && h("p", { class: "hint" }, "The key is read from EASEL_KEY."),
    ),
  );
  select(Math.max(0, names.indexOf(localStorage.getItem("language"))));
}

/** Puts the code on the clipboard; where the browser forbids it, selects it. */
async function copied(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(code);
    return false;
  }
}
