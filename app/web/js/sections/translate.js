// Translate: a picture of one domain into the other, before and after in one place, and back again.

import { ask, askedBefore, withSeed } from "../asking.js";
import { boundsOf } from "../bounds.js";
import { announce, h, icon, randomId } from "../dom.js";
import { copyAs } from "../copy-as.js";
import { requestOf } from "../kept.js";
import { lacking, modelChooser, pageHead } from "../model-chooser.js";
import { allModels, model as readModel, pixelClass } from "../models.js";
import { openingValues, remembered } from "../opening.js";
import { download, fetched, picture, shownPicture, takeCarried } from "../pictures.js";
import { problemView } from "../problem-view.js";
import { linkTo, standing, took } from "../results.js";
import { address, remember } from "../router.js";
import { useAsInput } from "../use-as-input.js";
import "../compare-slider.js";
import "../schema-form.js";

/** What a cycle answers with for each translation: that, the way back and the heat map. */
const OF_CYCLE = 3;

/** @param {HTMLElement} page @param {import("../router.js").Route} route @param {AbortSignal} signal */
export async function show(page, route, signal) {
  const models = (await allModels()).filter((one) => one.tasks.includes("translate"));
  page.append(pageHead("Translate", "Turn a picture of one kind into another. Drag across the result to compare."));
  if (!models.length) return page.append(h("p", { class: "lede" }, "No model of this server translates pictures."));
  const found = await readModel(route.parts[0] ?? models[0].id);
  const schema = found.inputs.translate;
  if (!schema) return page.append(lacking(found, "translates no pictures", "translate", models));
  const { directions, domains } = found.card;
  const size = found.image;
  const cycles = "cycle" in schema.properties;

  let direction = directions.includes(route.query.direction) ? route.query.direction : directions[0];
  const source = h("picture-input", { "input-id": "source" });
  const bounds = (source.bounds = await boundsOf(found, "translate"));
  const opening = openingValues(found, "translate");
  const form = h("schema-form");
  form.load(
    schema,
    { ...opening, ...route.query },
    { without: ["image", "direction", "cycle", "heat_map"], bounds },
  );
  const problems = h("div", { class: "error", role: "alert" });
  const stage = h("div", { class: "stage" });
  page.append(
    h(
      "div",
      { class: "bench" },
      h(
        "form",
        { class: "panel", "aria-label": "What to translate", onsubmit: (event) => event.preventDefault() },
        modelChooser("translate", models, found),
        directions.length > 1 && ways(),
        h(
          "div",
          { class: "field" },
          h("div", { class: "field-head" }, h("label", { for: "source" }, "Picture")),
          source,
          problems,
        ),
        form,
      ),
      stage,
    ),
  );

  let running = new AbortController();
  signal.addEventListener("abort", () => running.abort());
  source.addEventListener("input", () => run());
  form.addEventListener("change", () => run());
  offer();
  if (route.query.p) return again(route.query.p);
  const first = takeCarried() ?? (await firstExample());
  if (!source.pictures.length) {
    source.pictures = [first].filter(Boolean);
    run();
  } // else one was chosen meanwhile

  function ways() {
    const choose = (event) => {
      direction = event.target.value;
      offer();
      firstExample().then((example) => {
        if (source.pictures[0]?.url?.includes("/v1/models/") && example) source.pictures = [example];
        run();
      });
    };
    return h(
      "fieldset",
      { class: "field" },
      h("legend", { class: "visually-hidden" }, "Direction"),
      h("div", { class: "field-head", "aria-hidden": "true" }, "Direction"),
      h(
        "div",
        { class: "choices", onchange: choose },
        directions.map((way) =>
          h(
            "label",
            { class: "choice" },
            h("input", { type: "radio", name: "direction", value: way, checked: way === direction }),
            h("span", {}, named(way).join(" → ")),
          ),
        ),
      ),
    );
  }

  /** What a direction leads from and to. */
  function named(way) {
    if (!way) return ["picture", [form.values.target ?? form.values.targets].flat().join(", ")];
    return [way[0], way.at(-1)].map((domain) => domains[domain] ?? domain);
  }

  function examples() {
    return direction ? found.examples.filter((one) => one.kind === direction[0]) : found.examples;
  }

  function offer() {
    source.offer(examples());
  }

  async function firstExample() {
    return examples().length ? fetched(examples()[0].url, signal) : null;
  }

  /** Shows a prediction that the address names, if what went in is kept here; else the prediction's own page does. */
  async function again(name) {
    const kept = await requestOf(name);
    if (!kept?.pictures.image) return location.replace(address(["p", name]));
    source.pictures = kept.pictures.image;
    await run(name);
  }

  /** Translates, or waits for the end of the prediction `known`. */
  async function run(known = null) {
    running.abort();
    running = new AbortController();
    const mine = running;
    const name = known ?? randomId();
    const [given] = source.pictures;
    const pictures = { ...form.pictures, image: [given] };
    problems.textContent = "";
    form.clearErrors();
    if (!given)
      return stage.replaceChildren(
        h(
          "div",
          { class: "empty" },
          icon("picture"),
          h("p", {}, `Choose a picture of a ${named(direction)[0]}, or take an example.`),
        ),
      );
    remember(["translate", found.id], {
      ...remembered(opening, form.values),
      direction: directions.length > 1 ? direction : null,
      p: name,
    });
    const slider = h("compare-slider");
    slider.style.setProperty("--ratio", `${size.width} / ${size.height}`);
    const order = {
      model: found.id,
      task: "translate",
      input: {
        ...form.values,
        ...(direction && { direction }),
        ...(cycles && { cycle: true, heat_map: true }),
      },
    };
    const told = h("p", { class: "hint" }, "…");
    const tools = h("div", { class: "wrap" });
    slider.compare(
      shownPicture(given, { alt: `Before: ${given.name}`, class: pixelClass(size) }),
      null,
      named(direction),
    );
    stage.replaceChildren(
      h("section", { class: "result narrow" }, slider, h("div", { class: "result-head" }, told, tools)),
    );
    try {
      const onEvent = (name, data) => {
        told.textContent = standing(name, data) ?? told.textContent;
      };
      const options = { id: name, pictures, signal: mine.signal, onEvent };
      const prediction = known ? (await askedBefore(known, options)).prediction : await ask(order, options);
      const { metrics, output } = prediction;
      const made = { ...order, input: withSeed(order.input, prediction) };
      const reveal = (one) => {
        slider.style.setProperty("--ratio", `${one.width} / ${one.height}`);
        slider.compare(
          shownPicture(given, { alt: `Before: ${given.name}`, class: pixelClass(one) }),
          picture(one.url, `After: ${named(direction)[1]}`, { class: pixelClass(one) }),
          named(direction),
        );
      };
      reveal(output[0]);
      const translations = cycles ? output.filter((_, index) => index % OF_CYCLE === 0) : output;
      if (translations.length > 1) slider.after(variants(translations, reveal));
      if (cycles) stage.append(cycle(given, output, metrics));
      told.textContent = took(metrics);
      tools.append(
        tool("download", "Download", () => download(output[0].url, `${found.id}.png`)),
        tool("input", "Use as input", () => useAsInput(output[0], found.id)),
        tool("code", "Copy as code", () => copyAs(made, pictures)),
        linkTo(name),
      );
      announce(`Translated to ${named(direction)[1]}`);
    } catch (error) {
      if (mine.signal.aborted) return;
      told.textContent = "";
      slider.querySelector(".skeleton")?.remove();
      if (!atPicture(error) && !form.showErrors(error.errors ?? [])) stage.prepend(problemView(error, () => run()));
    }
  }

  /** Tells what is wrong with the picture beside it. */
  function atPicture(error) {
    const about = (error.errors ?? []).filter(({ pointer }) => pointer.startsWith("/input/image"));
    const told = about.length ? about : [413, 415].includes(error.status) ? [{ detail: error.message }] : [];
    problems.textContent = told.map(({ detail }) => detail).join(" ");
    return told.length > 0;
  }

  /** The way back, beside the picture that it began with: what a translator forgets. */
  function cycle(given, [there, back, heat], { cycle_error }) {
    const [from, to] = named(direction);
    const pixels = pixelClass(there);
    const off = `${(cycle_error * 100).toFixed(1)}`;
    const where = picture(heat.url, `Where the returned picture differs: ${off} percent on average`, { class: pixels });
    const figures = h(
      "div",
      { class: "cycle" },
      captioned(shownPicture(given, { alt: "", class: pixels }), from),
      captioned(picture(there.url, "", { class: pixels }), `to ${to}`),
      captioned(picture(back.url, "", { class: pixels }), `back to ${from}`),
      captioned(where, `difference, ${off} % on average`),
    );
    figures.style.setProperty("--ratio", `${there.width} / ${there.height}`);
    return h(
      "section",
      { class: "result narrow" },
      h("div", { class: "result-head" }, h("h2", {}, "There and back again")),
      figures,
    );
  }
}

function variants(output, reveal) {
  return h(
    "div",
    { class: "variants", role: "group", "aria-label": "Variants" },
    output.map((one, index) =>
      h(
        "button",
        { class: "thumb", type: "button", "aria-label": `Show variant ${index + 1}`, onclick: () => reveal(one) },
        picture(one.url, ""),
      ),
    ),
  );
}

function captioned(shown, words) {
  return h("figure", {}, shown, h("figcaption", {}, words));
}

function tool(symbol, words, onclick) {
  return h("button", { class: "button small", type: "button", onclick }, icon(symbol), words);
}
