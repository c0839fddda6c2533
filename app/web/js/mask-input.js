// <mask-input>: paints white over a picture where it is to be filled in. Halves can be chosen without a pointer.

import { h } from "./dom.js";
import { shownPicture } from "./pictures.js";

const SIDE = 256;
const BRUSH = 36;
const AREAS = {
  "Upper half": [0, 0, SIDE, SIDE / 2],
  "Lower half": [0, SIDE / 2, SIDE, SIDE / 2],
  Middle: [SIDE / 4, SIDE / 4, SIDE / 2, SIDE / 2],
};

/** Fires `input` when the mask changes. `pictures` holds the mask as one picture, or none if nothing is painted. */
class MaskInput extends HTMLElement {
  pictures = [];

  connectedCallback() {
    this.canvas = h("canvas", { width: SIDE, height: SIDE, role: "img", "aria-label": "Mask: paint where to fill in" });
    this.pen = Object.assign(this.canvas.getContext("2d"), {
      fillStyle: "#fff",
      strokeStyle: "#fff",
      lineWidth: BRUSH,
      lineCap: "round",
    });
    this.under = h("div", { class: "under" });
    const areas = Object.entries(AREAS).map(([name, area]) => this.#button(name, () => this.pen.fillRect(...area)));
    this.append(
      h("div", { class: "easel" }, this.under, this.canvas),
      h(
        "div",
        { class: "choices" },
        areas,
        this.#button("Clear", () => this.pen.clearRect(0, 0, SIDE, SIDE)),
      ),
    );
    this.canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    this.canvas.addEventListener(
      "pointermove",
      (event) => this.canvas.hasPointerCapture(event.pointerId) && this.#paint(event),
    );
    this.canvas.addEventListener("pointerup", () => this.#keep());
  }

  /** What is painted over. @param {import("./pictures.js").Picture | undefined} given */
  set picture(given) {
    this.under.replaceChildren(...(given ? [shownPicture(given, { alt: "" })] : []));
  }

  #button(name, draw) {
    const onclick = () => {
      draw();
      this.#keep(name === "Clear");
    };
    return h("button", { class: "chip", type: "button", onclick }, name);
  }

  #begin(event) {
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    this.pen.beginPath();
    this.#paint(event);
  }

  #paint(event) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    this.pen.lineTo(((event.clientX - left) / width) * SIDE, ((event.clientY - top) / height) * SIDE);
    this.pen.stroke();
  }

  /** The mask as a file: what was painted, on black. */
  async #keep(empty = false) {
    const mask = new OffscreenCanvas(SIDE, SIDE);
    const context = mask.getContext("2d");
    context.fillRect(0, 0, SIDE, SIDE);
    context.drawImage(this.canvas, 0, 0);
    this.pictures = empty ? [] : [{ blob: await mask.convertToBlob(), name: "mask.png", url: null }];
    this.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

customElements.define("mask-input", MaskInput);
