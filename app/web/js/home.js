// Where this server is: the page may lie below a path of a proxy's, and the server may tell addresses whole.

/** The address of the server, without a slash at its end, as this very file was found. */
export const HOME = new URL("../..", import.meta.url).href.replace(/\/$/, "");

/**
 * The path on this server of an address that it told: `/v1/…`, or whole where EASEL_PUBLIC_URL is set.
 * @param {string} address
 */
export function pathOf(address) {
  return /^https?:/.test(address) ? address.slice(address.search(/\/v1\/(predictions|models|uploads)\//)) : address;
}

/** The whole address of something on this server, by any address or path of it. @param {string} path */
export function at(path) {
  return path.startsWith("data:") ? path : HOME + pathOf(path);
}
