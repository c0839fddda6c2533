// Yours: the results that this browser keeps, to star, compare, take away, and make again.

import "../compare-slider.js";
import { showDialog } from "../dialog.js";
import { withoutPictures } from "../asking.js";
import { announce, counted, h, icon, iconButton, randomId } from "../dom.js";
import { forget, keptImages, update } from "../kept.js";
import { pageHead } from "../model-chooser.js";
import { pixelClass, verb } from "../models.js";
import { saveBlob, shownPicture } from "../pictures.js";
import { madeBy } from "../provenance.js";
import { address, formOf, remember } from "../router.js";
import { useBlobAsInput } from "../use-as-input.js";
import { zip } from "../zip.js";

/** @param {HTMLElement} page @param {import("../router.js").Route} route */
export async function show(page, route) {
  let images = await keptImages();
  let starred = route.query.starred === "true";
  const chosen = new Set();
  const told = h("p", { class: "hint", role: "status" });
  const tiles = h("div", { class: "tiles" });
  const only = h("button", { class: "chip", type: "button", onclick: () => ((starred = !starred), render()) }, "Starred");
  const compare = h("button", { class: "button small", type: "button", onclick: compareChosen }, "Compare the two chosen");
  const remove = h("button", { class: "button small", type: "button", onclick: deleteThem });
  page.append(
    pageHead(
      "Yours",
      "What you made in this browser. It stays here, and is sent nowhere, until you delete it; the server forgets it sooner.",
    ),
    restorer(told),
    h(
      "div",
      { class: "filters" },
      only,
      h("button", { class: "button small", type: "button", onclick: exportThem }, icon("download"), "Export as ZIP"),
      compare,
      remove,
    ),
    told,
    tiles,
  );
  render();

  function shown() {
    return images.filter((one) => !starred || one.star);
  }

  function render() {
    remember(["kept"], { starred: starred || null });
    only.setAttribute("aria-pressed", String(starred));
    tiles.replaceChildren(...shown().map(tile));
    told.textContent = shown().length
      ? `${counted(shown().length, "picture")}, ${kilobytes(shown())} kB`
      : starred
        ? "Nothing has a star yet."
        : "Nothing here yet. What you make is kept here by itself.";
    choose();
  }

  function choose() {
    compare.disabled = chosen.size !== 2;
    remove.textContent = chosen.size ? `Delete ${counted(chosen.size, "chosen picture")}` : "Delete all without a star";
    remove.disabled = !chosen.size && images.every((one) => one.star);
  }

  function tile(one) {
    const name = named(one);
    const box = h("input", {
      type: "checkbox",
      "aria-label": `Choose ${name}`,
      checked: chosen.has(one.key),
      onchange: () => {
        if (box.checked) chosen.add(one.key);
        else chosen.delete(one.key);
        choose();
      },
    });
    const star = iconButton("star", starWords(one), async () => {
      one.star = !one.star;
      await update(one);
      star.setAttribute("aria-pressed", String(one.star));
      star.setAttribute("aria-label", starWords(one));
      if (starred) render();
    });
    star.setAttribute("aria-pressed", String(one.star));
    return h(
      "figure",
      { class: "tile kept" },
      h(
        "button",
        { class: "open", type: "button", "aria-label": `Enlarge ${name}`, onclick: () => enlarge(one) },
        shownPicture({ blob: one.blob, name, url: null }, { alt: name, class: pixelClass(one) }),
      ),
      h("figcaption", {}, h("label", { class: "pick" }, box, h("span", {}, one.order.model)), star),
    );
  }

  function compareChosen() {
    const [first, second] = images.filter((one) => chosen.has(one.key));
    const slider = h("compare-slider");
    slider.style.setProperty("--ratio", `${second.width} / ${second.height}`);
    const part = (one) => shownPicture({ blob: one.blob, name: named(one), url: null }, { class: pixelClass(one) });
    slider.compare(part(first), part(second), [named(first), named(second)]);
    showDialog("Side by side", slider);
  }

  async function exportThem() {
    const wanted = chosen.size ? images.filter((one) => chosen.has(one.key)) : shown();
    const files = wanted.map((one) => ({ name: `${one.id.slice(0, 8)}-${fileOf(one)}`, blob: one.blob }));
    saveBlob(await zip(files), "easel.zip");
    announce(`${counted(files.length, "picture")} exported`);
  }

  async function deleteThem() {
    const gone = images.filter((one) => (chosen.size ? chosen.has(one.key) : !one.star));
    const sure = h(
      "button",
      {
        class: "button primary",
        type: "button",
        onclick: async () => {
          dialog.close();
          await forget(gone);
          images = images.filter((one) => !gone.includes(one));
          chosen.clear();
          render();
        },
      },
      `Delete ${counted(gone.length, "picture")}`,
    );
    const dialog = showDialog("Delete for good?", h("p", {}, "They cannot be brought back."), h("div", {}, sure));
  }
}

function kilobytes(images) {
  return Math.ceil(images.reduce((sum, { blob }) => sum + blob.size, 0) / 1000).toLocaleString("en");
}

function starWords(one) {
  return `${one.star ? "Take the star from" : "Star"} ${named(one)}`;
}

function named({ order, seed, index }) {
  return `${order.model}, ${seed === null ? `picture ${index + 1}` : `seed ${seed}`}`;
}

function fileOf({ order, seed, index, blob }) {
  return `${order.model}-${seed ?? index}.${blob.type.split("/")[1] ?? "png"}`;
}

/** One of them, large, with where it came from and where it can go. */
function enlarge(one) {
  const given = { blob: one.blob, name: fileOf(one), url: null };
  const facts = {
    Task: verb(one.order.task),
    Seed: one.seed,
    Size: `${one.width} × ${one.height}`,
    Made: new Date(one.at).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" }),
  };
  const dialog = showDialog(
    one.order.model,
    h(
      "div",
      { class: "large-picture" },
      shownPicture(given, { class: pixelClass(one) }),
      h(
        "dl",
        { class: "facts" },
        Object.entries(facts)
          .filter(([, value]) => value !== null)
          .flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, String(value))]),
      ),
      h(
        "div",
        { class: "wrap actions" },
        h(
          "button",
          { class: "button", type: "button", onclick: () => saveBlob(one.blob, given.name) },
          icon("download"),
          "Download",
        ),
        h(
          "button",
          {
            class: "button",
            type: "button",
            onclick: () => {
              dialog.close();
              useBlobAsInput(given, one.order.model);
            },
          },
          icon("input"),
          "Use as input",
        ),
        h(
          "a",
          { class: "button", href: recipeAddress(one.order, one.seed), onclick: () => dialog.close() },
          icon("more"),
          "Make it again",
        ),
      ),
    ),
  );
}

/** The form that made it, filled in. */
function recipeAddress({ model, task, input }, seed) {
  const plain = withoutPictures(input);
  const one = seed === null || seed === undefined ? {} : { seed, n: 1 };
  return address(formOf(model, task), { ...plain, ...one });
}

/** Where a picture file is dropped that Easel made, anywhere: what made it is written in it. */
function restorer(told) {
  const id = randomId();
  const file = h("input", { type: "file", id, accept: "image/*", class: "visually-hidden" });
  const zone = h(
    "label",
    { class: "drop restorer", for: id },
    icon("picture"),
    file,
    h("span", {}, "Drop a picture that an Easel made, to make it again"),
  );
  const restore = async ([blob]) => {
    if (!blob) return;
    const made = await madeBy(blob);
    if (made) location.hash = recipeAddress(made, made.seed);
    else told.textContent = "That file does not say what made it. Screenshots and pictures saved by other programs forget it.";
  };
  file.addEventListener("change", () => restore(file.files));
  zone.addEventListener("dragover", (event) => event.preventDefault());
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    restore(event.dataTransfer.files);
  });
  return zone;
}
