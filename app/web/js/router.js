// Addresses within the page: `#/make/mnist-cgan/conditional?label=7&seed=1`.

/**
 * @typedef {{section: string, parts: string[], query: Record<string, string>}} Route
 */

/**
 * @param {string} hash
 * @returns {Route | null} null for a hash that is none of ours, such as a skip link's
 */
export function parse(hash) {
  if (hash !== "" && !hash.startsWith("#/")) return null;
  const [path, query = ""] = hash.slice(2).split("?");
  const [section, ...parts] = path.split("/").map(decodeURIComponent);
  return {
    section: section || "models",
    parts: parts.filter(Boolean),
    query: Object.fromEntries(new URLSearchParams(query)),
  };
}

/**
 * @param {string[]} path
 * @param {Record<string, any>} [query] lists are joined by commas; null and undefined are left out
 */
export function address(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  return `#/${path.map(encodeURIComponent).join("/")}${given.length ? `?${search}` : ""}`;
}

/**
 * Where the form of a model's task is.
 * @param {string} model @param {string} task @returns {string[]} a path
 */
export function formOf(model, task) {
  return task === "translate" ? ["translate", model] : ["make", model, task];
}

/**
 * Puts what is shown into the address bar, so that it can be shared, without a new entry in the history.
 * @param {string[]} path
 * @param {Record<string, any>} [query]
 */
export function remember(path, query) {
  history.replaceState(history.state, "", address(path, query));
}
