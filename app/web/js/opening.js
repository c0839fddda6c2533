// What a form opens with: an example of all that its task needs, so that the first press works.

import { randomSeed } from "./dom.js";
import { fetched } from "./pictures.js";

/** Pictures to pass through where a task takes several. */
const STOPS = 2;
/** Of inputs of which one is needed, those that a form can fill, the most telling first. */
const FIRST = ["attribute", "dimension", "seeds", "label", "image", "images", "style_image"];
const OFF = "none";

/**
 * The values that a form opens with where the address says nothing.
 * @param {any} found a model in full
 * @param {string} task
 * @returns {Record<string, any>}
 */
export function openingValues(found, task) {
  const { properties } = found.inputs[task];
  const drawn = {
    seeds: () => Array.from({ length: STOPS }, () => randomSeed() % 100_000),
    dimension: () => 0,
    attribute: () => choices(properties.attribute)[0],
    label: () => choices(properties.label)[0],
  };
  const values = wanted(found.inputs[task])
    .filter((name) => name in drawn)
    .map((name) => [name, drawn[name]()]);
  // Without a fit most models answer with the centre alone of a picture that has another shape than theirs.
  if ("fit" in properties && !found.card.native?.default) values.push(["fit", "contain"]);
  return Object.fromEntries(values);
}

/**
 * The model's examples in the places of the pictures that the task needs.
 * @param {any} found a model in full
 * @param {string} task
 * @param {AbortSignal} signal
 * @returns {Promise<Record<string, import("./pictures.js").Picture[]>>} by the input's name; a mask is not among them
 */
export async function openingPictures(found, task, signal) {
  const { properties, required = [] } = found.inputs[task];
  const names = [...required, ...wanted(found.inputs[task])].filter((name) => name !== "mask" && holdsPictures(properties[name]));
  const given = names.map(async (name) => {
    const examples = found.examples.slice(0, name === "images" ? STOPS : 1);
    return [name, await Promise.all(examples.map(({ url }) => fetched(url, signal)))];
  });
  return Object.fromEntries(await Promise.all(given));
}

/**
 * What the address tells: the values, and which of those that the form opens with were switched off.
 * @param {Record<string, any>} opening @param {Record<string, any>} values
 */
export function remembered(opening, values) {
  const off = Object.keys(opening).filter((name) => values[name] === undefined);
  return { ...values, ...Object.fromEntries(off.map((name) => [name, OFF])) };
}

/** Of the inputs that exclude one another, the one that the form fills; none where the server draws a seed. */
function wanted(schema) {
  const groups = (schema["x-one-of"] ?? []).filter((names) => !names.includes("seed"));
  return groups.map((names) => FIRST.find((name) => names.includes(name))).filter(Boolean);
}

function choices(schema) {
  return [schema, ...(schema.anyOf ?? [])].find((one) => one.enum)?.enum ?? [];
}

function holdsPictures(schema) {
  return JSON.stringify(schema).includes('"contentMediaType":"image/');
}
