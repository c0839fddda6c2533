// Models: all of them as a gallery, or one in full.

import { counted, h, icon } from "../dom.js";
import { allModels, figure, pixelClass, verb } from "../models.js";
import { picture } from "../pictures.js";
import { address, remember } from "../router.js";

/** @param {HTMLElement} page @param {import("../router.js").Route} route @param {AbortSignal} signal */
export async function show(page, route, signal) {
  if (route.parts.length) return (await import("./model.js")).show(page, route, signal);
  const tasks = h("div", { class: "choices", role: "group", "aria-label": "Only models that" });
  const gallery = h("div", { class: "gallery" });
  const count = h("p", { class: "visually-hidden", role: "status" });
  const search = h("input", {
    class: "input",
    type: "search",
    "aria-label": "Search the models",
    placeholder: "Search",
    value: route.query.q ?? "",
  });
  page.append(
    h(
      "header",
      { class: "head" },
      h("h1", {}, "Models"),
      h(
        "p",
        { class: "lede" },
        "What this server can make. Choose a model, try it, then copy the request that made your picture.",
      ),
    ),
  );
  // The rest comes at once, when all of it is known, so that nothing moves that is seen already.
  const models = await allModels();
  let task = route.query.task ?? null;
  const chips = [...new Set(models.flatMap((one) => one.tasks))].map((name) =>
    h("button", { class: "chip", type: "button", "data-task": name, onclick: () => choose(name) }, verb(name)),
  );
  tasks.append(...chips);
  page.append(
    h("div", { class: "filters" }, h("div", { class: "search" }, icon("search"), search), tasks),
    count,
    gallery,
  );

  function choose(name) {
    task = task === name ? null : name;
    update();
  }

  function update() {
    const wanted = search.value.trim().toLowerCase();
    const found = models.filter((one) => (!task || one.tasks.includes(task)) && text(one).includes(wanted));
    for (const chip of chips) chip.setAttribute("aria-pressed", String(chip.dataset.task === task));
    gallery.replaceChildren(...found.map(card));
    if (!found.length) gallery.append(h("p", { class: "hint" }, "No model fits. Try fewer letters, or another task."));
    count.textContent = counted(found.length, "model");
    remember(["models"], { q: wanted, task });
  }

  search.addEventListener("input", update);
  update();
}

/** Covers that are in view at once. */
const AT_ONCE = 3;
/** Tasks that a card names, so that all cards are of one height. */
const TAGS = 3;

function text(one) {
  return [one.id, one.family, one.summary, one.data, one.licence, ...one.tasks].join(" ").toLowerCase();
}

function card(one, place) {
  const loading = place < AT_ONCE ? "eager" : "lazy";
  const cover = { class: `cover ${pixelClass(one.image)}`, loading, width: 320, height: 200 };
  return h(
    "article",
    { class: "card" },
    one.cover ? picture(one.cover, "", cover) : h("div", { class: "cover" }),
    h(
      "div",
      { class: "card-body" },
      h("h2", {}, h("a", { href: address(["models", one.id]) }, one.id)),
      h("p", { class: "hint" }, one.summary),
      h(
        "p",
        { class: "wrap" },
        one.baseline && h("span", { class: "tag baseline" }, "Baseline"),
        one.tasks.slice(0, TAGS).map((task) => h("span", { class: "tag" }, verb(task))),
        one.tasks.length > TAGS && h("span", { class: "tag" }, `${one.tasks.length - TAGS} more`),
      ),
      h(
        "p",
        { class: "hint" },
        [one.family, one.data, `${one.image.width} × ${one.image.height}`].filter(Boolean).join(" · "),
      ),
      h("p", { class: "hint licence" }, `Licence: ${one.licence}`),
      h(
        "dl",
        { class: "figures" },
        one.metrics
          .filter((metric) => !metric.name.endsWith(".floor"))
          .slice(0, 2)
          .map((metric) => h("div", {}, h("dt", {}, figure(metric).label), h("dd", {}, figure(metric).value))),
      ),
    ),
  );
}
