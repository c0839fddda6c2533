// <mask-input>: paints white over a picture where it is to be filled in. Areas can be chosen without a pointer.

import { h } from "./dom.js";
import { shownPicture } from "./pictures.js";

/** Without a picture, of the canvas. */
const SIDE = 256;
/** Left, top, width and height, as shares of the picture's. */
const AREAS = {
  "Upper half": [0, 0, 1, 0.5],
  "Lower half": [0, 0.5, 1, 0.5],
  Middle: [0.25, 0.25, 0.5, 0.5],
};
/** Least, usual and largest width of the brush, in hundredths of the picture's longer side. */
const BRUSH = { min: 1, value: 8, max: 30 };

/**
 * The mask has the picture's own size, pixel for pixel. Fires `input` when it changes. `pictures` holds the mask as one
 * picture, or none if nothing is painted.
 */
class MaskInput extends HTMLElement {
  pictures = [];
  #blob = null;

  connectedCallback() {
    this.canvas = h("canvas", { width: SIDE, height: SIDE, role: "img", "aria-label": "Mask: paint where to fill in" });
    this.pen = this.canvas.getContext("2d");
    this.brush = h("input", { type: "range", ...BRUSH, oninput: (event) => event.stopPropagation() });
    this.under = h("div", { class: "under" });
    this.frame = h("div", { class: "easel" }, this.under, this.canvas);
    const areas = Object.entries(AREAS).map(([name, area]) => this.#button(name, () => this.#fill(area)));
    this.append(
      this.frame,
      h("label", { class: "brush" }, "Brush", this.brush),
      h(
        "div",
        { class: "choices" },
        areas,
        this.#button("Clear", () => this.#clear()),
      ),
    );
    this.canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    this.canvas.addEventListener(
      "pointermove",
      (event) => this.canvas.hasPointerCapture(event.pointerId) && this.#paint(event),
    );
    this.canvas.addEventListener("pointerup", () => this.#keep());
  }

  /** What is painted over; another one begins a new mask. @param {import("./pictures.js").Picture | undefined} given */
  set picture(given) {
    if ((given?.blob ?? null) === this.#blob) return;
    this.#blob = given?.blob ?? null;
    this.under.replaceChildren();
    this.#clear();
    if (this.pictures.length) this.#keep(true);
    if (!given) return this.#resize(SIDE, SIDE);
    const image = shownPicture(given, { alt: "" });
    const sized = () => given.blob === this.#blob && this.#resize(image.naturalWidth, image.naturalHeight);
    image.addEventListener("load", sized, { once: true });
    this.under.append(image);
  }

  /** The mask at another size; what was painted while the picture was loading stays in its place. */
  #resize(width, height) {
    const painted = new OffscreenCanvas(this.canvas.width, this.canvas.height);
    painted.getContext("2d").drawImage(this.canvas, 0, 0);
    Object.assign(this.canvas, { width, height });
    this.frame.style.aspectRatio = `${width} / ${height}`;
    this.pen.drawImage(painted, 0, 0, width, height);
    if (this.pictures.length) this.#keep();
  }

  #button(name, draw) {
    const onclick = () => {
      draw();
      this.#keep(name === "Clear");
    };
    return h("button", { class: "chip", type: "button", onclick }, name);
  }

  #fill([left, top, width, height]) {
    const { width: across, height: down } = this.canvas;
    this.pen.fillStyle = "#fff";
    this.pen.fillRect(
      Math.floor(left * across),
      Math.floor(top * down),
      Math.ceil(width * across),
      Math.ceil(height * down),
    );
  }

  #clear() {
    this.pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }

  #begin(event) {
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    const longer = Math.max(this.canvas.width, this.canvas.height);
    Object.assign(this.pen, { strokeStyle: "#fff", lineCap: "round", lineJoin: "round" });
    this.pen.lineWidth = Math.max(1, (longer * this.brush.valueAsNumber) / 100);
    this.pen.beginPath();
    this.#paint(event);
  }

  #paint(event) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    this.pen.lineTo(
      ((event.clientX - left) / width) * this.canvas.width,
      ((event.clientY - top) / height) * this.canvas.height,
    );
    this.pen.stroke();
  }

  /** The mask as a file: what was painted, on black. */
  async #keep(empty = false) {
    const { width, height } = this.canvas;
    const mask = new OffscreenCanvas(width, height);
    const context = mask.getContext("2d");
    context.fillRect(0, 0, width, height);
    context.drawImage(this.canvas, 0, 0);
    this.pictures = empty ? [] : [{ blob: await mask.convertToBlob(), name: "mask.png", url: null }];
    this.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

customElements.define("mask-input", MaskInput);
