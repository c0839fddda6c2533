// <latent-plane>: a square with a picture in each corner and a knob to drag. Arrow keys move it too.

import { h } from "./dom.js";

const STEP = 0.05;

/** Fires `input` when the knob moves; `at` says where it is, 0 to 1 from the upper left. */
class LatentPlane extends HTMLElement {
  at = { x: 0.5, y: 0.5 };

  connectedCallback() {
    this.knob = h("div", {
      class: "knob",
      tabindex: "0",
      role: "slider",
      "aria-label": "Place in the plane: arrow keys move it",
      "aria-valuemin": 0,
      "aria-valuemax": 100,
    });
    this.append(this.knob);
    this.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      this.setPointerCapture(event.pointerId);
      this.knob.focus({ focusVisible: false });
      this.#follow(event);
    });
    this.addEventListener("pointermove", (event) => this.hasPointerCapture(event.pointerId) && this.#follow(event));
    this.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[
        event.key
      ];
      if (!step) return;
      event.preventDefault();
      this.#move(this.at.x + step[0], this.at.y + step[1]);
    });
    this.#place();
  }

  /** @param {HTMLElement[]} pictures upper left, upper right, lower left, lower right */
  set corners(pictures) {
    for (const old of this.querySelectorAll(".corner")) old.remove();
    this.prepend(...pictures.map((one, index) => h("div", { class: `corner corner-${index}` }, one)));
  }

  #follow(event) {
    const { left, top, width, height } = this.getBoundingClientRect();
    this.#move((event.clientX - left) / width, (event.clientY - top) / height);
  }

  #move(x, y) {
    this.at = { x: within(x), y: within(y) };
    this.#place();
    this.dispatchEvent(new Event("input"));
  }

  #place() {
    const { x, y } = this.at;
    Object.assign(this.knob.style, { left: `${x * 100}%`, top: `${y * 100}%` });
    this.knob.setAttribute("aria-valuenow", Math.round(x * 100));
    this.knob.setAttribute(
      "aria-valuetext",
      `${Math.round(x * 100)} percent across, ${Math.round(y * 100)} percent down`,
    );
  }
}

function within(value) {
  return Math.min(1, Math.max(0, value));
}

customElements.define("latent-plane", LatentPlane);
