// The page: shows the section that the address names, and tells everybody that it did.

import { json } from "./api.js";
import { h } from "./dom.js";
import { problemView } from "./problem-view.js";
import { parse } from "./router.js";
import { arrive, leave } from "./scroll.js";

const SECTIONS = {
  models: () => import("./sections/gallery.js"),
  make: () => import("./sections/make.js"),
  translate: () => import("./sections/translate.js"),
  explore: () => import("./sections/explore.js"),
  kept: () => import("./sections/kept.js"),
  queue: () => import("./sections/queue.js"),
  team: () => import("./sections/team.js"),
  p: () => import("./sections/prediction.js"),
};

const main = document.getElementById("main");
let leaving = new AbortController();
let shown = null;

/** Shows what the address names. Whatever the section before had underway is aborted. */
async function go() {
  const route = parse(location.hash);
  if (route === null) return;
  leaving.abort();
  leaving = new AbortController();
  leave();
  const { signal } = leaving;
  const section = SECTIONS[route.section] ?? SECTIONS.models;
  markCurrent(route.section);
  try {
    const { show } = await section();
    if (signal.aborted) return;
    const page = h("div", { class: "page" });
    main.replaceChildren(page);
    await show(page, route, signal);
  } catch (error) {
    if (signal.aborted) return;
    main.replaceChildren(h("div", { class: "page" }, problemView(error, go)));
  }
  if (signal.aborted) return;
  const title = main.querySelector("h1")?.textContent;
  document.title = title ? `${title} · Easel` : "Easel";
  const known = arrive();
  if (!known && shown !== null && shown !== location.hash.split("?")[0]) main.focus({ preventScroll: true });
  shown = location.hash.split("?")[0];
}

function markCurrent(section) {
  for (const link of document.querySelectorAll(".bar nav a")) {
    const current = link.getAttribute("href") === `#/${section}`;
    if (current) {
      link.setAttribute("aria-current", "page");
      link.parentElement.scrollLeft = link.offsetLeft; // where the page is narrow, the last ones are out of sight
    } else link.removeAttribute("aria-current");
  }
}

addEventListener("hashchange", ({ newURL }) => {
  // The section that is left may have remembered its own address over the one that it was left for.
  if (location.href !== newURL) history.replaceState(history.state, "", newURL);
  go();
});
await go();
document.getElementById("version").textContent = await json("/version").then(
  (told) => `Easel ${told.version}`,
  () => "Easel",
);
