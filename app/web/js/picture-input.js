// <picture-input>: a picture that is chosen, dropped, pasted, or taken from the model's examples.

import { within } from "./bounds.js";
import { announce, h, icon } from "./dom.js";
import { DRAGGED, fetched, picture, shownPicture } from "./pictures.js";

const READABLE = "image/png,image/jpeg,image/webp,image/gif,image/bmp,image/tiff";

/**
 * Fires `input` when the pictures change. With the attribute `many` it holds several, to which further ones are added; with
 * `several` besides, those that are chosen at once take the place of those before.
 */
class PictureInput extends HTMLElement {
  #pictures = [];
  #built = false;

  connectedCallback() {
    this.#build();
    this.abort = new AbortController();
    document.addEventListener("paste", (event) => this.#take(event.clipboardData.files), { signal: this.abort.signal });
  }

  disconnectedCallback() {
    this.abort.abort();
  }

  /** The input of the file, which a label and an error belong to. */
  get control() {
    this.#build();
    return this.file;
  }

  /** @returns {import("./pictures.js").Picture[]} */
  get pictures() {
    return this.#pictures;
  }

  set pictures(given) {
    this.#pictures = this.hasAttribute("many") ? given : given.slice(-1);
    this.#render();
  }

  /** What its pictures are made smaller to; null while it is not known. @type {{bytes: number, pixels: number} | null} */
  bounds = null;

  /** Shows examples to take. @param {{url: string}[]} examples */
  offer(examples) {
    this.#build();
    this.examples.hidden = examples.length === 0;
    this.examples.replaceChildren(
      ...examples.map(({ url }, index) =>
        h(
          "button",
          {
            class: "thumb",
            type: "button",
            "aria-label": `Take example ${index + 1}`,
            onclick: async () => this.#add([await fetched(url)]),
          },
          picture(url, ""),
        ),
      ),
    );
  }

  #build() {
    if (this.#built) return;
    this.#built = true;
    const many = this.hasAttribute("many");
    this.file = h("input", { type: "file", id: this.getAttribute("input-id"), accept: READABLE, multiple: many });
    this.symbol = icon("picture");
    this.chosen = h("div", { class: "thumbs" });
    this.examples = h("div", { class: "thumbs", role: "group", "aria-label": "Examples", hidden: true });
    this.drop = h(
      "div",
      { class: "drop" },
      this.symbol,
      this.file,
      this.chosen,
      h(
        "span",
        {},
        many ? "Drop or paste pictures here, or choose files" : "Drop or paste a picture here, or choose a file",
      ),
    );
    this.file.addEventListener("change", () => this.#take(this.file.files));
    this.drop.addEventListener("dragover", (event) => {
      event.preventDefault();
      this.drop.classList.add("over");
    });
    this.drop.addEventListener("dragleave", () => this.drop.classList.remove("over"));
    this.drop.addEventListener("drop", (event) => {
      event.preventDefault();
      this.drop.classList.remove("over");
      const ours = event.dataTransfer.getData(DRAGGED);
      if (ours) fetched(ours).then((given) => this.#add([given]));
      else this.#take(event.dataTransfer.files);
    });
    this.note = h("p", { class: "hint", hidden: true });
    this.classList.add("field");
    this.append(this.drop, this.note, this.examples);
    this.#render();
  }

  async #take(files) {
    const taken = Array.from(files, (file) => ({ blob: file, name: file.name, url: null }));
    this.file.value = "";
    if (taken.length) this.#add(await Promise.all(taken.map((one) => (this.bounds ? within(one, this.bounds) : one))));
  }

  #add(taken) {
    this.pictures = this.hasAttribute("several") ? taken : [...this.#pictures, ...taken];
    this.dispatchEvent(new Event("input", { bubbles: true }));
  }

  #render() {
    this.chosen.hidden = this.#pictures.length === 0;
    this.symbol.toggleAttribute("hidden", this.#pictures.length > 0);
    const smaller = this.#pictures.filter((one) => one.from);
    this.note.hidden = smaller.length === 0;
    this.note.textContent = smaller
      .map(({ from, to }) => `Made smaller to fit this server: ${from.join(" × ")} to ${to.join(" × ")}.`)
      .join(" ");
    if (smaller.length) announce(this.note.textContent);
    this.chosen.replaceChildren(
      ...this.#pictures.map((one) =>
        h(
          "button",
          { class: "thumb", type: "button", "aria-label": `Remove ${one.name}`, onclick: () => this.#remove(one) },
          shownPicture(one, { alt: "" }),
          h("span", { class: "remove" }, icon("close")),
        ),
      ),
    );
  }

  #remove(one) {
    this.pictures = this.#pictures.filter((other) => other !== one);
    this.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

customElements.define("picture-input", PictureInput);
