// API keys: made, with their token shown once, listed with their limits, and revoked.

import { heldKey, json } from "../api.js";
import { announce, h, words } from "../dom.js";
import { problemView } from "../problem-view.js";
import { table } from "../table.js";
import { confirmed } from "./confirm.js";
import { labelled } from "./labelled.js";

const PATH = "/v1/keys";
const SCOPES = {
  predict: "ask for pictures",
  priority: "ask with high priority",
  read: "see queues and metrics",
  admin: "all of it",
};

/**
 * @param {HTMLElement | null} used what keys have used
 * @param {AbortSignal} signal
 * @returns {Promise<HTMLElement>}
 */
export async function keys(used, signal) {
  const list = h("div", {});
  const told = h("div", {});
  try {
    await look();
  } catch (error) {
    if (error.code !== "access_open") throw error;
    return keysOfNobody(); // the key that this tab holds is of another time
  }
  return part(list, told, form(create), used ?? "");

  async function look() {
    const { data } = await json(PATH, { signal });
    list.replaceChildren(table("All keys", ["Name", "Key", "May", "Limits of its own", "Made", "Revoke"], data.map(row)));
  }

  function row(key) {
    const own = heldKey()?.startsWith(`ek_${key.id}_`);
    return [
      key.name,
      h("code", {}, key.id),
      key.scopes.join(", "),
      limits(key) || "none",
      new Date(key.created_at).toLocaleDateString("en", { dateStyle: "medium" }),
      own
        ? "the key of this tab"
        : h(
            "button",
            { class: "button small", type: "button", "aria-label": `Revoke ${key.name}`, onclick: () => revoke(key) },
            "Revoke",
          ),
    ];
  }

  async function create(asked) {
    const made = await json(PATH, {
      method: "POST",
      body: JSON.stringify(asked),
      headers: { "Content-Type": "application/json" },
    });
    told.replaceChildren(shownOnce(made));
    await look();
  }

  async function revoke(key) {
    const question = `Revoke ${key.name}?`;
    if (!(await confirmed(question, "Requests with it fail from now on, and what it waits for is canceled.", "Revoke"))) return;
    try {
      await json(`${PATH}/${key.id}`, { method: "DELETE" });
      told.replaceChildren();
      announce(`${key.name} is revoked`);
      await look();
    } catch (error) {
      told.replaceChildren(problemView(error));
    }
  }
}

/** What stands there where access is open. @returns {HTMLElement} */
export function keysOfNobody() {
  return part(h("p", { class: "hint" }, "Access is open: requests need no key here, and none are made here."));
}

function part(...content) {
  return h("section", { class: "team-part", "aria-labelledby": "keys" }, h("h2", { id: "keys" }, "Keys"), ...content);
}

function limits({ rate, outstanding, daily }) {
  return [rate, outstanding && `${outstanding} unfinished`, daily && `${daily} images a day`].filter(Boolean).join(", ");
}

function shownOnce({ name, token }) {
  return h(
    "div",
    { class: "notice", role: "status" },
    h("strong", {}, `The key for ${name}`),
    h("p", {}, "Copy it now: it is not kept, and cannot be shown again."),
    h("code", { class: "token" }, token),
  );
}

/** @param {(asked: any) => Promise<void>} create */
function form(create) {
  const input = (name, more = {}) => h("input", { class: "input", id: `key-${name}`, name, autocomplete: "off", ...more });
  const trouble = h("div", {});
  const scopes = Object.entries(SCOPES).map(([scope, may]) =>
    h(
      "label",
      { class: "choice" },
      h("input", { type: "checkbox", name: "scopes", value: scope, checked: scope === "predict" }),
      h("span", {}, `${words(scope)}: ${may}`),
    ),
  );
  const onsubmit = async (event) => {
    event.preventDefault();
    const given = new FormData(event.target);
    const number = (name) => Number(given.get(name)) || undefined;
    trouble.replaceChildren();
    try {
      await create({
        name: given.get("name"),
        scopes: given.getAll("scopes"),
        rate: given.get("rate") || undefined,
        outstanding: number("outstanding"),
        daily: number("daily"),
      });
      event.target.reset();
    } catch (error) {
      trouble.replaceChildren(problemView(error));
    }
  };
  return h(
    "form",
    { class: "panel", "aria-label": "A new key", onsubmit },
    h("h3", {}, "A new key"),
    labelled("Name", input("name", { required: true, maxlength: "64" }), "Whom or what it is for"),
    h("fieldset", { class: "field" }, h("legend", {}, "It may"), h("div", { class: "choices" }, scopes)),
    h(
      "div",
      { class: "team-limits" },
      labelled("Rate", input("rate", { placeholder: "60/minute" }), "Requests for predictions; empty: the server's"),
      labelled("Unfinished", input("outstanding", { type: "number", min: "1" }), "Predictions at once"),
      labelled("Images a day", input("daily", { type: "number", min: "1" }), "In 24 hours from the first"),
    ),
    trouble,
    h("div", { class: "actions" }, h("button", { class: "button primary" }, "Make the key")),
  );
}
