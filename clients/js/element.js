// <easel-image model="mnist-cgan" label="7" seed="1"></easel-image>: a picture that is asked for when it is shown.
// `server` and `key` are attributes, too; every other attribute is an input of the model. `again()` asks anew.

import { Easel } from "./index.js";

const OWN = ["server", "key", "model", "task", "alt", "class", "id", "style", "title", "slot", "hidden", "lang", "dir"];

export class EaselImage extends HTMLElement {
  #picture = document.createElement("img");
  #words = document.createElement("span");
  #asking = null;
  #url = null;

  constructor() {
    super();
    this.#words.setAttribute("role", "status");
    this.attachShadow({ mode: "open" }).append(this.#picture, this.#words);
    this.#picture.hidden = true;
  }

  connectedCallback() {
    this.again();
  }

  /** Whoever leaves the page, or takes the element out of it, leaves no work behind. */
  disconnectedCallback() {
    this.#asking?.abort();
    if (this.#url) URL.revokeObjectURL(this.#url);
  }

  async again() {
    this.#asking?.abort();
    const { signal } = (this.#asking = new AbortController());
    this.#tell("Drawing …");
    try {
      const easel = new Easel(this.getAttribute("server") ?? undefined, { key: this.getAttribute("key") ?? undefined });
      const order = { model: this.getAttribute("model"), input: this.#input() };
      const task = this.getAttribute("task");
      const made = await easel.predict(task ? { ...order, task } : order, { signal });
      const file = await easel.image(made, 0, { signal });
      if (this.#url) URL.revokeObjectURL(this.#url);
      this.#picture.src = this.#url = URL.createObjectURL(file);
      this.#picture.alt = this.getAttribute("alt") ?? `made by ${made.model}, seed ${made.output[0].seed}`;
      this.#picture.hidden = false;
      this.#tell("");
      this.dispatchEvent(new CustomEvent("load", { detail: made }));
    } catch (error) {
      if (signal.aborted) return;
      this.#tell(error.message);
      this.dispatchEvent(new CustomEvent("error", { detail: error }));
    }
  }

  #tell(words) {
    this.#words.textContent = words;
  }

  /** Attributes as inputs: numbers as numbers, so that `seed="1"` is one. */
  #input() {
    const given = [...this.attributes].filter(({ name }) => !OWN.includes(name) && !/^(data-|aria-|on)/.test(name));
    return Object.fromEntries(
      given.map(({ name, value }) => [name, name !== "label" && value.trim() !== "" && !isNaN(value) ? Number(value) : value]),
    );
  }
}

if (!customElements.get("easel-image")) customElements.define("easel-image", EaselImage);
