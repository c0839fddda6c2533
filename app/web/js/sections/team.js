// Team: for the admin's key models, keys, and what the server is doing; for any other its own usage, and another key.

import { changeKey, heldKey, json } from "../api.js";
import { h } from "../dom.js";
import { pageHead } from "../model-chooser.js";
import { operations } from "../operations.js";
import { keys, keysOfNobody } from "../team/keys.js";
import { models } from "../team/models.js";
import { usage } from "../team/usage.js";

const LOOK_EVERY_MS = 2000;

/** @param {HTMLElement} page @param {import("../router.js").Route} route @param {AbortSignal} signal */
export async function show(page, route, signal) {
  const [versions, { grafana }] = await Promise.all([ifAllowed("/v1/versions", signal), json("/version", { signal })]);
  page.append(
    pageHead(
      "Team",
      versions
        ? "Models, keys, and what the server is doing."
        : "What this key has used of its limits. Models and keys are for keys with the scope admin.",
    ),
    h("div", { class: "wrap team-links" }, heldKey() !== null && keyButton(), grafana && dashboards(grafana)),
  );
  if (versions) page.append(models(versions, signal));
  const used = usage(await json("/v1/usage", { signal }));
  const open = versions !== null && heldKey() === null; // without a key only where none is needed
  if (versions) page.append(open ? keysOfNobody() : await keys(used, signal));
  else if (used) page.append(used);
  const [corner, look] = operations(signal);
  page.append(corner);
  await look();
  if (corner.hidden) return; // a key that may only ask for pictures
  const timer = setInterval(() => document.hidden || look().catch(() => {}), LOOK_EVERY_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
}

/** What a path answers; null for a key without the scope. */
async function ifAllowed(path, signal) {
  try {
    return await json(path, { signal });
  } catch (error) {
    if (error.status === 403) return null;
    throw error;
  }
}

/** With another key all is read anew. */
function keyButton() {
  const onclick = async () => (await changeKey()) && location.reload();
  return h("button", { class: "button", type: "button", onclick }, "Change key");
}

function dashboards(address) {
  return h("a", { class: "button", href: address, rel: "noreferrer" }, "Dashboards in Grafana");
}
