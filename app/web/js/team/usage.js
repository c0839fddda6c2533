// What keys have used of what they may.

import { table } from "../table.js";

const COLUMNS = ["Key", "Requests", "Images today", "Unfinished", "Uploads", "Kept"];

/**
 * @param {{data: any[]}} told the answer of `GET /v1/usage`
 * @returns {HTMLElement | null} null where no key is needed
 */
export function usage({ data }) {
  const rows = data.map(({ key, name, requests, images_today, outstanding, uploads, kept }) => [
    `${name} (${key})`,
    `${of(requests)} a ${requests.per}`,
    of(images_today),
    of(outstanding),
    megabytes(uploads),
    megabytes(kept),
  ]);
  return rows.length ? table("Used, and allowed", COLUMNS, rows) : null;
}

function of({ used, limit }) {
  return `${used.toLocaleString("en")} of ${limit.toLocaleString("en")}`;
}

function megabytes({ used, limit }) {
  const [some, most] = [used, limit].map((bytes) => (bytes / 2 ** 20).toLocaleString("en", { maximumFractionDigits: 1 }));
  return `${some} of ${most} MB`;
}
