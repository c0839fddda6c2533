// Back shows a section where it was left: each entry of the history has a key, and for each key it is kept how far down
// the page was. The browser cannot do it, since a section fills its page after it is shown.

import { randomId } from "./dom.js";

const STORED = "scroll";
const places = new Map(JSON.parse(sessionStorage.getItem(STORED) ?? "[]"));
let current = null;

history.scrollRestoration = "manual";
addEventListener("scroll", () => current !== null && places.set(current, scrollY), { passive: true });
addEventListener("pagehide", () => sessionStorage.setItem(STORED, JSON.stringify([...places].slice(-100))));

/** Called when another entry of the history is about to be shown: what scrolls from now on is no longer the last one. */
export function leave() {
  current = null;
}

/**
 * Called when an entry is shown: scrolls to where it was left.
 * @returns {boolean} whether it was shown before
 */
export function arrive() {
  const known = history.state?.key;
  if (known === undefined) history.replaceState({ ...history.state, key: randomId() }, "");
  current = history.state.key;
  scrollTo(0, places.get(current) ?? 0);
  return known !== undefined;
}
