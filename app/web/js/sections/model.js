// One model: what it makes, what it takes, what it was measured at, and what it does badly.

import { counted, h } from "../dom.js";
import { figure, model, pixelClass, verb } from "../models.js";
import { picture } from "../pictures.js";
import { address, formOf } from "../router.js";

/** @param {HTMLElement} page @param {import("../router.js").Route} route */
export async function show(page, route) {
  const found = await model(route.parts[0]);
  const { card } = found;
  page.append(
    h(
      "header",
      { class: "head" },
      h("p", { class: "hint" }, h("a", { href: "#/models" }, "All models")),
      h("h1", {}, found.id),
      h("p", { class: "lede" }, `${found.summary}.`),
      h(
        "div",
        { class: "wrap" },
        found.tasks.map((task, index) => way(found, task, index === 0)),
      ),
    ),
    h(
      "div",
      { class: "model" },
      h(
        "div",
        {},
        found.sheet
          ? picture(found.sheet, `Samples of ${found.id}`, { class: `sheet ${pixelClass(found.image)}` })
          : h("p", { class: "hint" }, "This model has no sample sheet."),
        h("p", { class: "hint" }, sheetNote(found)),
      ),
      h(
        "div",
        {},
        found.limits && h("section", { class: "notice" }, h("h2", {}, "What it does badly"), h("p", {}, found.limits)),
        facts(found),
        card.metrics.length > 0 && figures(card.metrics),
        h("section", {}, h("h2", {}, "What it takes"), ...found.tasks.map((task) => inputs(task, found.inputs[task]))),
      ),
    ),
  );
}

function way(found, task, first) {
  return h("a", { class: `button${first ? " primary" : ""}`, href: address(formOf(found.id, task)) }, verb(task));
}

function sheetNote(found) {
  return found.tasks[0] === "translate"
    ? "Held-out pictures, each beside what the model made of it. None was chosen."
    : "Samples with the seeds 0, 1, 2 … None was chosen.";
}

function facts(found) {
  const { card } = found;
  const { training, data, weights } = card;
  const rows = {
    Family: card.family,
    "Picture size": `${card.image.width} × ${card.image.height}, ${card.image.channels === 1 ? "grey" : "colour"}`,
    Classes: card.classes.length ? counted(card.classes.length, "class").replace("classs", "classes") : null,
    Domains:
      Object.entries(card.domains)
        .map(([name, told]) => `${name}: ${told}`)
        .join(", ") || null,
    Data: data && `${data.name}/${data.split}, ${counted(data.count, "picture")}`,
    "Licence of the data": data?.licence,
    "Licence of the model": card.licence,
    Weights: `${counted(weights.parameters, "parameter")}, ${(weights.bytes / 1e6).toFixed(1)} MB`,
    Training:
      training &&
      `${counted(training.steps, "step")} in ${Math.round(training.seconds / 60)} min on ${training.device}`,
    Recipe: training && h("code", {}, training.recipe),
  };
  const shown = Object.entries(rows).filter(([, value]) => value);
  return h(
    "section",
    {},
    h("h2", {}, "The card"),
    h(
      "dl",
      { class: "facts" },
      shown.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
    ),
  );
}

function figures(metrics) {
  const judged = metrics.some((metric) => metric.extractor);
  const columns = ["Figure", "Value", "Pictures", judged && "Judge"].filter(Boolean);
  return h(
    "section",
    {},
    h("h2", {}, "Measured on pictures it was not trained on"),
    h(
      "div",
      { class: "scroll-x", tabindex: "0", role: "region", "aria-label": "Measured figures" },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            columns.map((name, index) =>
              h("th", { scope: "col", class: index === 1 || index === 2 ? "number" : null }, name),
            ),
          ),
        ),
        h(
          "tbody",
          {},
          metrics.map((metric) => figureRow(metric, judged)),
        ),
      ),
    ),
  );
}

function figureRow(metric, judged) {
  const { label, judge, value } = figure(metric);
  return h(
    "tr",
    {},
    h("td", {}, label),
    h("td", { class: "number" }, value),
    h("td", { class: "number" }, metric.count.toLocaleString("en")),
    judged && h("td", {}, judge ?? metric.extractor?.split("@")[0] ?? ""),
  );
}

function inputs(task, schema) {
  const required = new Set(schema.required ?? []);
  return h(
    "div",
    { class: "field" },
    h("h3", {}, verb(task)),
    h(
      "dl",
      { class: "facts" },
      Object.entries(schema.properties).flatMap(([name, one]) => [
        h("dt", {}, h("code", {}, name), required.has(name) ? " *" : ""),
        h("dd", { class: "hint" }, one.description ?? ""),
      ]),
    ),
  );
}
