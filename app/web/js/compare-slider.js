// <compare-slider>: two pictures in one place, the second uncovered from the right. Works by pointer and by arrow keys.

import { h } from "./dom.js";

class CompareSlider extends HTMLElement {
  /**
   * @param {HTMLImageElement} before @param {HTMLImageElement | null} after null while it is being made
   * @param {[string, string]} captions
   */
  compare(before, after, captions) {
    const at = this.querySelector("input")?.value ?? "50";
    const input = h("input", {
      type: "range",
      min: 0,
      max: 100,
      value: at,
      "aria-label": `How much of ${captions[0]} is shown, in percent`,
    });
    input.addEventListener("input", () => this.style.setProperty("--at", `${input.value}%`));
    this.style.setProperty("--at", `${at}%`);
    after?.classList.add("after");
    this.replaceChildren(
      before,
      after ?? h("div", { class: "skeleton after" }),
      h("div", { class: "handle" }),
      h("span", { class: "caption before-caption", "aria-hidden": "true" }, captions[0]),
      h("span", { class: "caption after-caption", "aria-hidden": "true" }, captions[1]),
      input,
    );
  }
}

customElements.define("compare-slider", CompareSlider);
