// <schema-form>: the form of a task's input, built from its JSON Schema, so that a new input needs no new page.

import { h } from "./dom.js";
import { field } from "./fields.js";

class SchemaForm extends HTMLElement {
  #fields = new Map();
  #exclusive = [];

  /**
   * @param {any} schema of an object
   * @param {Record<string, any>} values to begin with, by name; text is taken for what it means
   * @param {{pictures?: any[], classPictures?: Record<string, string>, without?: string[], several?: string | null,
   *          bounds?: {bytes: number, pixels: number}}} [options] examples to offer; addresses of
   *   what choices look like, by choice; inputs that are shown elsewhere; an
   *   input of one picture that takes several here, to be asked for one after another; what pictures are made smaller to
   */
  load(schema, values, { pictures = [], classPictures = {}, without = [], several = null, bounds } = {}) {
    const required = new Set(schema.required ?? []);
    const names = Object.keys(schema.properties).filter((name) => !without.includes(name));
    this.#fields = new Map(
      names.map((name) => [
        name,
        field(name, schema.properties[name], {
          required: required.has(name),
          pictures,
          classPictures,
          bounds,
          several: name === several,
        }),
      ]),
    );
    this.#exclusive = schema["x-one-of"] ?? [];
    for (const [name, value] of Object.entries(values)) {
      const known = this.#fields.get(name);
      if (known && !known.pictures) known.set(value);
    }
    this.whole = h("p", { class: "error", role: "alert", hidden: true });
    const all = Array.from(this.#fields.values());
    const [common, rare] = [all.filter((one) => !one.rare), all.filter((one) => one.rare)].map((some) =>
      some.map((one) => one.element),
    );
    const more = h("details", { class: "more" }, h("summary", {}, "More inputs"), ...rare);
    this.replaceChildren(...common, ...(rare.length ? [more] : []), this.whole);
  }

  constructor() {
    super();
    this.addEventListener("input", (event) => {
      this.#exclude(event.target.closest("[data-field]")?.dataset.field);
      this.#underlay();
    });
  }

  /** What was just given takes the place of the inputs that exclude it. */
  #exclude(given) {
    const value = this.#fields.get(given)?.get();
    if (value === undefined || value.length === 0) return;
    const others = this.#exclusive.filter((names) => names.includes(given)).flat();
    for (const name of others) if (name !== given) this.#empty(name);
  }

  #empty(name) {
    const known = this.#fields.get(name);
    known?.set(known.pictures ? [] : "");
  }

  /** A mask is painted over the picture that it belongs to. */
  #underlay() {
    const mask = this.querySelector("mask-input");
    if (mask) mask.picture = this.pictures.image?.[0];
  }

  /** @returns {Record<string, any>} what was given, without pictures */
  get values() {
    return this.#given(false);
  }

  /** @returns {Record<string, import("./pictures.js").Picture[]>} the pictures that were given */
  get pictures() {
    return Object.fromEntries(Object.entries(this.#given(true)).filter(([, given]) => given.length));
  }

  /**
   * Fills the fields of pictures that are empty. A mask begins with the middle of the picture.
   * @param {Record<string, import("./pictures.js").Picture[]>} given by the input's name
   */
  open(given) {
    for (const [name, some] of Object.entries(given)) {
      const known = this.#fields.get(name);
      if (known && known.get().length === 0) known.set(some);
    }
    this.#underlay();
    const mask = this.querySelector("mask-input");
    if (mask && this.pictures.image) mask.begin();
  }

  /** Puts a picture into the first field that takes one. @param {import("./pictures.js").Picture} given */
  put(given) {
    const [name, first] = Array.from(this.#fields).find(([, one]) => one.pictures) ?? [];
    first?.set([given]);
    if (first) this.#exclude(name);
    this.#underlay();
  }

  /** @returns {Promise<void>} when the mask has the size of its picture */
  async settled() {
    await this.querySelector("mask-input")?.sized;
  }

  /** @param {string} name @param {any} value */
  set(name, value) {
    this.#fields.get(name)?.set(value);
  }

  #given(pictures) {
    const found = Array.from(this.#fields, ([name, one]) => [name, one.pictures === pictures ? one.get() : undefined]);
    return Object.fromEntries(found.filter(([, value]) => value !== undefined));
  }

  /**
   * Tells each error beside its field, and moves to the first.
   * @param {{pointer: string, detail: string}[]} errors pointers into the request (RFC 6901)
   * @returns {boolean} whether every error found its place
   */
  showErrors(errors) {
    this.clearErrors();
    const rest = errors.filter(({ pointer, detail }) => !this.#showError(pointer, detail));
    const first = this.querySelector("[aria-invalid]");
    first?.closest("details")?.setAttribute("open", "");
    first?.focus();
    return errors.length > 0 && rest.length === 0;
  }

  #showError(pointer, detail) {
    const [, where, name] = pointer.split("/").map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
    if (where !== "input") return false;
    const known = this.#fields.get(name);
    const place = known ? known.error : name === undefined ? this.whole : null;
    if (place === null) return false;
    known?.control.setAttribute("aria-invalid", "true");
    place.textContent = detail;
    place.hidden = false;
    return true;
  }

  clearErrors() {
    for (const one of this.#fields.values()) {
      one.control.removeAttribute("aria-invalid");
      one.error.hidden = true;
    }
    if (this.whole) this.whole.hidden = true;
  }
}

customElements.define("schema-form", SchemaForm);
