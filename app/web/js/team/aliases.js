// Names of the team's own that stand for versions of models: set, moved to another version, and taken away.

import { request } from "../api.js";
import { announce, h } from "../dom.js";
import { problemView } from "../problem-view.js";
import { table } from "../table.js";
import { confirmed } from "./confirm.js";
import { labelled } from "./labelled.js";

/**
 * @param {() => Promise<void>} done called after each change
 * @returns {{element: HTMLElement, render: (versions: any[]) => void}}
 */
export function aliases(done) {
  const list = h("div", {});
  const name = h("input", { class: "input", id: "alias-name", required: true, maxlength: "64", autocomplete: "off" });
  const target = h("select", { class: "select", id: "alias-target", required: true });
  const trouble = h("div", {});
  const form = h(
    "form",
    { class: "panel", "aria-label": "An alias", onsubmit: set },
    labelled("Alias", name, "Such as zebra-latest; one that there is moves"),
    labelled("Stands for", target),
    trouble,
    h("div", { class: "actions" }, h("button", { class: "button" }, "Set the alias")),
  );
  const element = h("details", { class: "more" }, h("summary", {}, "Aliases"), list, form);
  return { element, render };

  function render(versions) {
    const chosen = target.value;
    target.replaceChildren(...versions.map((one) => h("option", { value: one.reference }, told(one))));
    if (versions.some((one) => one.reference === chosen)) target.value = chosen;
    const rows = versions.flatMap((one) =>
      one.names.filter((alias) => alias !== one.model).map((alias) => [alias, told(one), takeAway(alias)]),
    );
    list.replaceChildren(rows.length ? table("All aliases", ["Alias", "Stands for", "Take away"], rows) : "");
  }

  async function set(event) {
    event.preventDefault();
    const body = JSON.stringify({ model: target.value });
    const headers = { "Content-Type": "application/json" };
    if (await change(name.value, { method: "PUT", body, headers }, "is set")) form.reset();
  }

  function takeAway(alias) {
    const onclick = async () => {
      if (await confirmed(`Take away ${alias}?`, "Requests that name it fail from now on.", "Take away"))
        await change(alias, { method: "DELETE" }, "is taken away");
    };
    return h(
      "button",
      { class: "button small", type: "button", "aria-label": `Take away ${alias}`, onclick },
      "Take away",
    );
  }

  /** Whether it was made. */
  async function change(alias, init, outcome) {
    trouble.replaceChildren();
    try {
      await request(`/v1/aliases/${encodeURIComponent(alias)}`, init);
      announce(`${alias} ${outcome}`);
      await done();
      return true;
    } catch (error) {
      trouble.replaceChildren(problemView(error));
      return false;
    }
  }
}

function told({ model, version, published }) {
  return `${model} @ ${version.slice(0, 8)}${published ? "" : ", draft"}`;
}
