import { h } from "../dom.js";
export async function show(page) {
  page.append(h("header", { class: "head" }, h("h1", {}, "Explore"), h("p", { class: "lede" }, "…")));
}
