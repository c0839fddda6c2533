// Elements, and words for numbers. The page has no template language: `h` is enough.

import { HOME } from "./home.js";

/**
 * An element: `h("p", {class: "hint", onclick}, "text", child)`. Attributes that are null or false are left out.
 * @param {string} tag
 * @param {Record<string, any>} [attributes]
 * @param {...(Node | string | number | null | false | undefined)} children
 * @returns {any}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/**
 * A symbol of `icons.svg`. What it means must be said in words beside it.
 * @param {string} name
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `${HOME}/web/icons.svg#${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

/**
 * A button that shows only a symbol.
 * @param {string} symbol
 * @param {string} label what it does, for those who do not see it and as its tooltip
 * @param {(event: Event) => void} onclick
 */
export function iconButton(symbol, label, onclick) {
  return h(
    "button",
    { class: "icon-button", type: "button", "aria-label": label, title: label, onclick },
    icon(symbol),
  );
}

/**
 * Tells screen readers something that others see.
 * @param {string} words
 */
export function announce(words) {
  document.getElementById("announcer").textContent = words;
}

/** @param {number} ms @returns {string} `38 ms`, `1.2 s` */
export function duration(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** @param {number} count @param {string} noun @returns {string} `1 picture`, `8 pictures` */
export function counted(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

/** @param {string} name @returns {string} `style_seed` as `Style seed` */
export function words(name) {
  if (name === "n") return "Count";
  const spaced = name.replaceAll("_", " ");
  return spaced[0].toUpperCase() + spaced.slice(1);
}

/** A number from 0 to 2³² - 1, drawn by the browser. */
export function randomSeed() {
  return crypto.getRandomValues(new Uint32Array(1))[0];
}

/** 32 hexadecimal digits; `crypto.randomUUID` is missing where a page comes by plain http from another machine. */
export function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
