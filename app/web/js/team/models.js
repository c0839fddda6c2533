// Versions of models: uploaded as drafts, looked at, described, published, named, rolled back and dropped.

import { json } from "../api.js";
import { announce, counted, h } from "../dom.js";
import { forgetModels } from "../models.js";
import { problemView } from "../problem-view.js";
import { aliases } from "./aliases.js";
import { confirmed } from "./confirm.js";
import { describe } from "./describe.js";
import { sample } from "./sample.js";
import { uploader } from "./uploader.js";

/**
 * @param {{data: any[], broken: any[]}} found the answer of `GET /v1/versions`
 * @param {AbortSignal} signal
 * @returns {HTMLElement}
 */
export function models(found, signal) {
  const list = h("div", { class: "predictions" });
  const shipped = h("ul", { class: "team-shipped" });
  const broken = h("div", {});
  const told = h("div", {});
  const named = aliases(look);
  render(found);
  return h(
    "section",
    { class: "team-part", "aria-labelledby": "models" },
    h("h2", { id: "models" }, "Models"),
    uploader(arrived, signal),
    told,
    list,
    broken,
    named.element,
    h("details", { class: "more" }, h("summary", {}, "Models that come with Easel"), shipped),
  );

  function render({ data, broken: unusable }) {
    const own = data.filter((one) => !one.shipped);
    list.replaceChildren(...own.map(article));
    list.hidden = own.length === 0;
    named.render([...own, ...data.filter((one) => one.shipped)]);
    shipped.replaceChildren(
      ...data.filter((one) => one.shipped).map((one) => h("li", {}, `${one.model} @ ${short(one)}, ${size(one)}`)),
    );
    broken.replaceChildren(...(unusable.length ? [unusableFolders(unusable)] : []));
  }

  async function look() {
    forgetModels();
    render(await json("/v1/versions", { signal }));
  }

  /** A version that was uploaded: its form is open if its card lacks something. */
  async function arrived(version) {
    await look();
    announce(`${version.model} is uploaded`);
    const { card } = await json(pathOf(version.reference), { signal });
    if (!card.summary || !card.licence) open(version, describe);
  }

  /** Opens one panel below a version; only one is open at a time. */
  async function open(version, build) {
    for (const panel of list.querySelectorAll(".version-panel")) panel.replaceChildren();
    const panel = list.querySelector(`[data-version="${version.version}"][data-model="${version.model}"] .version-panel`);
    try {
      panel.replaceChildren(await build(version, pathOf(version.reference), look, signal));
      panel.querySelector("input, textarea, button")?.focus();
    } catch (error) {
      if (!signal.aborted) panel.replaceChildren(problemView(error));
    }
  }

  async function change(words, path, method) {
    told.replaceChildren();
    try {
      await json(path, { method });
      announce(words);
      await look();
    } catch (error) {
      if (!signal.aborted) told.replaceChildren(problemView(error));
    }
  }

  function article(version) {
    const { model, reference, names, published, bytes, created, tasks } = version;
    const path = pathOf(reference);
    const others = names.filter((name) => name !== model);
    const button = (words, onclick) =>
      h("button", { class: "button small", type: "button", "aria-label": `${words}: ${model} ${short(version)}`, onclick }, words);
    const drop = async () => {
      const words = `Drop ${model} ${short(version)}?`;
      if (await confirmed(words, "The version is deleted from the server's folder of models.", "Drop"))
        await change(`${model} is dropped`, path, "DELETE");
    };
    const remove = async () => {
      const words = `Remove ${model}?`;
      if (await confirmed(words, "All its versions are deleted, and the names that stand for them.", "Remove"))
        await change(`${model} is removed`, pathOf(model), "DELETE");
    };
    return h(
      "article",
      { class: "version", "data-version": version.version, "data-model": model },
      h(
        "div",
        {},
        h("h3", {}, model, " ", h("code", {}, `@${short(version)}`)),
        h("p", { class: "hint" }, `${tasks.join(", ")}; ${size({ bytes })}, ${date(created)}`),
      ),
      h(
        "div",
        { class: "wrap" },
        h("span", { class: `status ${published ? "succeeded" : ""}` }, published ? "published" : "draft"),
        others.map((name) => h("span", { class: "tag" }, name)),
      ),
      h(
        "div",
        { class: "wrap version-actions" },
        button("Sample", () => open(version, sample)),
        button("Describe", () => open(version, describe)),
        !published && button("Publish", () => change(`${model} is published`, `${path}/publish`, "POST")),
        published && button("Roll back", () => change(`${model} is rolled back`, `${pathOf(model)}/rollback`, "POST")),
        published ? button("Remove", remove) : button("Drop", drop),
      ),
      h("div", { class: "version-panel" }),
    );
  }
}

function unusableFolders(rows) {
  return h(
    "div",
    { class: "notice bad" },
    h("strong", {}, `${counted(rows.length, "folder")} could not be taken up`),
    rows.map(({ folder, reason }) => h("p", {}, h("code", {}, folder), `: ${reason}`)),
  );
}

function pathOf(name) {
  return `/v1/models/${encodeURIComponent(name)}`;
}

function short({ version }) {
  return version.slice(0, 8);
}

function size({ bytes }) {
  return `${(bytes / 1e6).toLocaleString("en", { maximumSignificantDigits: 3 })} MB`;
}

function date(seconds) {
  return new Date(seconds * 1000).toLocaleDateString("en", { dateStyle: "medium" });
}
