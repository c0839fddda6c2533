// <mask-input>: paints white over a picture where it is to be filled in, by pointer, touch or keyboard.

import { announce, h } from "./dom.js";
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
/** How far an arrow key moves the brush, as a share of the picture's longer side. */
const STEP = 0.02;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * What was done, in shares of the picture's width and height, so that it can be undone and drawn again at another size.
 * @typedef {{points: [number, number][], width: number, erases: boolean}} Stroke the width is one of the longer side
 * @typedef {Stroke | {area: number[]} | {inverts: true} | {clears: true}} Act
 */

/**
 * The mask has the picture's own size, pixel for pixel. Fires `input` when it changes. `pictures` holds the mask as one
 * picture, or none if nothing is painted.
 */
class MaskInput extends HTMLElement {
  pictures = [];
  /** When the mask has the size of its picture. @type {Promise<void>} */
  sized = Promise.resolve();
  /** @type {Act[]} */
  #acts = [];
  /** @type {Stroke | null} */
  #stroke = null;
  #at = [0.5, 0.5];
  #blob = null;

  connectedCallback() {
    this.canvas = h("canvas", {
      width: SIDE,
      height: SIDE,
      role: "application",
      tabindex: "0",
      "aria-label": "Mask: paint where to fill in",
      "aria-describedby": "mask-keys",
    });
    this.pen = this.canvas.getContext("2d", { willReadFrequently: true });
    this.brush = h("input", { type: "range", ...BRUSH, oninput: (event) => this.#resizeBrush(event) });
    this.eraser = h("input", { type: "checkbox" });
    this.under = h("div", { class: "under" });
    this.ring = h("div", { class: "ring", hidden: true });
    this.frame = h("div", { class: "easel" }, this.under, this.canvas, this.ring);
    this.undone = this.#button("Undo", () => this.#undo());
    this.eraser.addEventListener("input", (event) => event.stopPropagation());
    const areas = Object.entries(AREAS).map(([name, area]) => this.#button(name, () => this.#do({ area })));
    this.append(
      this.frame,
      h(
        "div",
        { class: "brush" },
        h("label", {}, "Brush", this.brush),
        h("label", { class: "choice" }, this.eraser, h("span", {}, "Eraser")),
      ),
      h(
        "div",
        { class: "choices" },
        areas,
        this.#button("Invert", () => this.#do({ inverts: true })),
        this.undone,
        this.#button("Clear", () => this.#do({ clears: true })),
      ),
      h(
        "p",
        { class: "hint", id: "mask-keys" },
        "Keys: arrows move the brush, space sets it down and lifts it, + and − change its size, e erases, z undoes.",
      ),
    );
    this.#listen();
    this.#draw();
  }

  #listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      canvas.focus({ focusVisible: false });
      canvas.setPointerCapture(event.pointerId);
      this.#at = this.#placeOf(event);
      this.#begin(event.button === 2 || event.button === 5);
    });
    canvas.addEventListener("pointermove", (event) => {
      this.#ring(this.#placeOf(event));
      if (!canvas.hasPointerCapture(event.pointerId)) return;
      for (const each of event.getCoalescedEvents?.() ?? [event]) this.#extend(this.#placeOf(each));
      if (!event.getCoalescedEvents?.().length) this.#extend(this.#placeOf(event));
    });
    canvas.addEventListener("pointerup", () => this.#end());
    canvas.addEventListener("pointercancel", () => this.#end());
    canvas.addEventListener("pointerleave", () => (this.ring.hidden = true));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("keydown", (event) => this.#press(event));
    canvas.addEventListener("focus", () => canvas.matches(":focus-visible") && this.#ring(this.#at));
    canvas.addEventListener("blur", () => {
      this.ring.hidden = true;
      this.#end();
    });
  }

  #press(event) {
    const done = this.#key(event.key, event.ctrlKey || event.metaKey);
    if (done) event.preventDefault();
  }

  /** @returns {boolean} whether the key means something here */
  #key(key, control) {
    if (key === "z" || key === "Z") this.#undo();
    else if (control) return false;
    else if (key in ARROWS) this.#step(...ARROWS[key]);
    else if (key === " ") this.#toggle();
    else if (key === "+" || key === "-") {
      this.brush.valueAsNumber += key === "+" ? 1 : -1;
      this.#ring(this.#at);
      announce(`Brush ${this.brush.value} percent wide`);
    } else if (key === "e") {
      this.eraser.checked = !this.eraser.checked;
      announce(this.eraser.checked ? "Eraser" : "Brush");
    } else return false;
    return true;
  }

  #step(across, down) {
    const { width, height } = this.canvas;
    const step = STEP * Math.max(width, height);
    this.#at = [within(this.#at[0] + (across * step) / width), within(this.#at[1] + (down * step) / height)];
    this.#ring(this.#at);
    this.#extend(this.#at);
  }

  #toggle() {
    if (this.#stroke) {
      this.#end();
      announce("Brush lifted");
    } else {
      this.#begin(false);
      announce("Brush down");
    }
  }

  /** What is painted over; another one begins a new mask. @param {import("./pictures.js").Picture | undefined} given */
  set picture(given) {
    if ((given?.blob ?? null) === this.#blob) return;
    this.#blob = given?.blob ?? null;
    this.under.replaceChildren();
    this.#acts = [];
    this.#stroke = null;
    if (!given) return this.#resize(SIDE, SIDE);
    const image = shownPicture(given, { alt: "" });
    this.under.append(image);
    this.sized = new Promise((resolve) => {
      image.addEventListener("error", () => resolve(), { once: true });
      image.addEventListener(
        "load",
        () => {
          if (given.blob === this.#blob) this.#resize(image.naturalWidth, image.naturalHeight);
          resolve();
        },
        { once: true },
      );
    });
    this.#changed();
  }

  /** Marks the middle, if nothing is marked yet. */
  begin() {
    if (!this.#acts.length) this.#do({ area: AREAS.Middle });
  }

  #resize(width, height) {
    Object.assign(this.canvas, { width, height });
    this.frame.style.aspectRatio = `${width} / ${height}`;
    this.#changed();
  }

  #button(name, onclick) {
    return h("button", { class: "chip", type: "button", onclick }, name);
  }

  #resizeBrush(event) {
    event.stopPropagation();
    this.#ring(this.#at);
  }

  /** @param {Act} act */
  #do(act) {
    this.#acts.push(act);
    this.#changed();
  }

  #undo() {
    this.#stroke = null;
    if (!this.#acts.pop()) return;
    announce("Undone");
    this.#changed();
  }

  #begin(erases) {
    const width = this.brush.valueAsNumber / 100;
    this.#stroke = { points: [this.#at], width, erases: erases || this.eraser.checked };
    this.#paint(this.#stroke);
  }

  #extend(place) {
    this.#at = place;
    if (!this.#stroke) return;
    this.#stroke.points.push(place);
    this.#paint({ ...this.#stroke, points: this.#stroke.points.slice(-2) });
  }

  #end() {
    if (!this.#stroke) return;
    const done = this.#stroke;
    this.#stroke = null;
    this.#do(done);
  }

  #placeOf(event) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    return [(event.clientX - left) / width, (event.clientY - top) / height];
  }

  /** Shows how wide the brush is, where it is. */
  #ring([x, y]) {
    const { width, height } = this.canvas;
    this.ring.hidden = false;
    const across = (this.brush.valueAsNumber * Math.max(width, height)) / width;
    Object.assign(this.ring.style, { left: `${x * 100}%`, top: `${y * 100}%`, width: `${across}%` });
    this.ring.classList.toggle("erases", this.eraser.checked);
  }

  #changed() {
    this.#draw();
    const { width, height } = this.canvas;
    this.undone.disabled = this.#acts.length === 0;
    const alpha = this.pen.getImageData(0, 0, width, height).data;
    const painted = alpha.some((value, index) => index % 4 === 3 && value > 127);
    this.pictures = painted ? [{ blob: this.#file(), name: "mask.png", url: null }] : [];
    this.dispatchEvent(new Event("input", { bubbles: true }));
  }

  #draw() {
    this.pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    for (const act of this.#acts) {
      if (act.points) this.#paint(act);
      else this.#fill(act);
    }
  }

  #paint({ points, width, erases }) {
    const { width: across, height: down } = this.canvas;
    const { pen } = this;
    pen.globalCompositeOperation = erases ? "destination-out" : "source-over";
    Object.assign(pen, { strokeStyle: "#fff", lineCap: "round", lineJoin: "round" });
    pen.lineWidth = Math.max(1, width * Math.max(across, down));
    pen.beginPath();
    pen.moveTo(points[0][0] * across, points[0][1] * down);
    for (const [x, y] of points) pen.lineTo(x * across, y * down);
    pen.stroke();
    pen.globalCompositeOperation = "source-over";
  }

  #fill({ area = [0, 0, 1, 1], inverts, clears }) {
    const { width: across, height: down } = this.canvas;
    const { pen } = this;
    const [left, top, width, height] = area;
    if (inverts) pen.globalCompositeOperation = "source-out";
    if (clears) pen.globalCompositeOperation = "destination-out";
    pen.fillStyle = "#fff";
    pen.fillRect(
      Math.floor(left * across),
      Math.floor(top * down),
      Math.ceil(width * across),
      Math.ceil(height * down),
    );
    pen.globalCompositeOperation = "source-over";
  }

  /** The mask as a file: what was painted, on black. Encoded at once, so that a request never misses the last stroke. */
  #file() {
    const { width, height } = this.canvas;
    const mask = h("canvas", { width, height });
    const context = mask.getContext("2d");
    context.fillRect(0, 0, width, height);
    context.drawImage(this.canvas, 0, 0);
    const bytes = atob(mask.toDataURL("image/png").split(",")[1]);
    return new Blob([Uint8Array.from(bytes, (one) => one.charCodeAt(0))], { type: "image/png" });
  }
}

function within(value) {
  return Math.min(1, Math.max(0, value));
}

customElements.define("mask-input", MaskInput);
