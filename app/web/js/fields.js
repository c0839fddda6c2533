// One form field for each kind of JSON Schema. A field is an element with a value that can be read, set and marked wrong.

import { h, iconButton, randomSeed, words } from "./dom.js";
import { picture } from "./pictures.js";
import "./mask-input.js";
import "./picture-input.js";

/**
 * @typedef {object} Field
 * @property {HTMLElement} element
 * @property {HTMLElement} control what an error is told beside
 * @property {() => any} get undefined where nothing was given
 * @property {(value: any) => void} set also takes what an address holds: text
 * @property {HTMLElement} error where it is told what is wrong
 * @property {boolean} pictures whether its value is pictures
 * @property {boolean} rare whether few will want it
 */

const MANY_CHOICES = 14;
const SEEDS_FROM = 2 ** 31;

/**
 * @param {string} name
 * @param {any} schema of one property
 * @param {{required: boolean, pictures: any[], classPictures?: Record<string, string>, several?: boolean,
 *          bounds?: {bytes: number, pixels: number}}} context
 * @returns {Field}
 */
export function field(name, schema, context) {
  const inner = withoutNull(schema);
  const id = `field-${name}`;
  const kind = KINDS.find(([fits]) => fits(inner, name))[1];
  const made = kind({ ...inner, nullable: isNullable(schema), initial: schema.default, ...context }, id, name);
  const optional = made.pictures && !context.required;
  const hint = made.speaks ? null : h("p", { class: "hint", id: `${id}-hint` }, schema.description);
  const error = h("p", { class: "error", id: `${id}-error`, hidden: true });
  made.control.setAttribute("aria-describedby", hint ? `${id}-hint ${id}-error` : `${id}-error`);
  const label = made.grouped
    ? h("legend", { class: "visually-hidden" }, words(name))
    : h("label", { for: id }, words(name));
  const head = h(
    "div",
    { class: "field-head" },
    made.grouped ? h("span", { "aria-hidden": "true" }, words(name)) : label,
    optional && h("span", { class: "hint" }, "optional"),
  );
  const element = h(
    made.grouped ? "fieldset" : "div",
    { class: "field", "data-field": name },
    made.grouped && label,
    head,
    made.body,
    hint,
    error,
  );
  return {
    element,
    error,
    control: made.control,
    get: made.get,
    set: made.set,
    pictures: made.pictures ?? false,
    rare: !context.required && (made.rare ?? false),
  };
}

/** The schema of a value that may also be null, without the null. */
function withoutNull(schema) {
  const members = schema.anyOf?.filter((member) => member.type !== "null");
  if (!members) return schema;
  return members.length === 1 ? { ...schema, anyOf: undefined, ...members[0] } : { ...schema, anyOf: members };
}

const isNullable = (schema) => schema.anyOf?.some((member) => member.type === "null") ?? false;
const choicesOf = (schema) => schema.enum ?? schema.anyOf?.find((member) => member.enum)?.enum;
const isPicture = (schema) => schema?.contentMediaType?.startsWith("image/");
const isNumber = (schema) => schema?.type === "integer" || schema?.type === "number";
const least = (schema) => schema.minimum ?? schema.exclusiveMinimum;
const most = (schema) => schema.maximum ?? schema.exclusiveMaximum;

/** Which field a schema gets: the first that fits. */
const KINDS = [
  [(schema, name) => isPicture(schema) && name === "mask", maskField],
  [isPicture, (schema, id) => picturesField(schema, id, schema.several, schema.several)],
  [(schema) => schema.type === "array" && isPicture(schema.items), (schema, id) => picturesField(schema, id, true)],
  [(schema) => choicesOf(schema)?.length > MANY_CHOICES, selectField],
  [choicesOf, choiceField],
  [(schema) => schema.type === "array" && choicesOf(schema.items), choicesField],
  [(schema) => schema.type === "integer" && schema.maximum > SEEDS_FROM, seedField],
  [(schema) => isNumber(schema) && least(schema) !== undefined && most(schema) !== undefined, sliderField],
  [isNumber, numberField],
  [(schema) => schema.type === "boolean", switchField],
  [(schema) => schema.type === "array" && isNumber(schema.items), listField],
  [(schema) => schema.type === "string", textField],
  [() => true, jsonField],
];

function choiceField(schema, id, name) {
  const options = choicesOf(schema);
  const shown = schema.classPictures ?? {};
  const face = (value) => Object.hasOwn(shown, value) && picture(shown[value], "");
  const inputs = [...(schema.nullable ? [""] : []), ...options].map((value) =>
    h("input", { type: "radio", name: id, value }),
  );
  const body = h(
    "div",
    { class: "choices" },
    inputs.map((input) =>
      h("label", { class: "choice" }, input, h("span", {}, face(input.value), input.value || "default")),
    ),
  );
  const set = (value) => {
    const known = inputs.some((input) => input.value === String(value ?? "")) ? String(value ?? "") : "";
    inputs.forEach((input) => (input.checked = input.value === known));
  };
  set(schema.initial ?? (schema.required ? (schema.examples?.[0] ?? options[0]) : undefined));
  const speaks = schema.anyOf !== undefined;
  const get = () => inputs.find((input) => input.checked)?.value || undefined;
  return { body, control: body, grouped: true, speaks, set, get };
}

function choicesField(schema, id) {
  const inputs = choicesOf(schema.items).map((value) => h("input", { type: "checkbox", name: id, value }));
  const body = h(
    "div",
    { class: "choices" },
    inputs.map((input) => h("label", { class: "choice" }, input, h("span", {}, input.value))),
  );
  const set = (value) => inputs.forEach((input) => (input.checked = [value ?? []].flat().includes(input.value)));
  set(schema.initial ?? schema.examples?.[0]);
  const get = () => inputs.filter((input) => input.checked).map((input) => input.value);
  return { body, control: body, grouped: true, set, get };
}

function selectField(schema, id) {
  const options = choicesOf(schema).map((value) => h("option", { value }, value));
  const select = h("select", { class: "select", id }, !schema.required && h("option", { value: "" }, "any"), options);
  select.value = schema.initial ?? (schema.required ? (schema.examples?.[0] ?? options[0].value) : "");
  return {
    body: select,
    control: select,
    speaks: schema.anyOf !== undefined,
    get: () => select.value || undefined,
    set: (value) => (select.value = value),
  };
}

function seedField(schema, id, name) {
  const input = numberInput(schema, id, "drawn anew each time");
  input.classList.replace("number", "grow");
  const dice = iconButton("dice", `Draw a ${words(name).toLowerCase()}`, () => {
    input.value = randomSeed();
    input.dispatchEvent(new Event("input", { bubbles: true }));
  });
  return {
    body: h("div", { class: "row" }, input, dice),
    control: input,
    get: () => numeric(input),
    set: (value) => (input.value = value ?? ""),
  };
}

function sliderField(schema, id, name) {
  const [low, high] = [least(schema), most(schema)];
  const step = schema.type === "integer" ? 1 : 10 ** Math.floor(Math.log10((high - low) / 10));
  const first = schema.exclusiveMinimum === undefined ? low : low + step;
  const last = schema.exclusiveMaximum === undefined ? high : high - step;
  const resting = low < 0 && high > 0 ? 0 : last;
  const slider = h("input", {
    type: "range",
    min: first,
    max: last,
    step,
    "aria-label": `${words(name)}, slider`,
    tabindex: "-1",
  });
  const input = numberInput(schema, id, schema.nullable ? "off" : "");
  const follow = () => {
    slider.classList.toggle("unset", input.value === "");
    slider.value = input.value === "" ? resting : input.value;
  };
  const set = (value) => {
    input.value = value ?? "";
    follow();
  };
  slider.addEventListener("input", () => set(slider.value));
  input.addEventListener("input", follow);
  set(schema.initial ?? (schema.required ? (schema.examples?.[0] ?? first) : undefined));
  return { body: h("div", { class: "row" }, slider, input), control: input, get: () => numeric(input), set };
}

function numberField(schema, id) {
  const input = numberInput(schema, id, schema.nullable ? "off" : "");
  input.value = schema.initial ?? "";
  return { body: input, control: input, get: () => numeric(input), set: (value) => (input.value = value ?? "") };
}

function numberInput(schema, id, placeholder) {
  const step = schema.type === "integer" ? 1 : "any";
  return h("input", { class: "input number", type: "number", id, step, placeholder, required: schema.required });
}

/** What was typed, as it was meant; the server judges it. */
function numeric(input) {
  if (input.validity.badInput) return NaN;
  return input.value === "" ? undefined : Number(input.value);
}

function switchField(schema, id) {
  const input = h("input", { type: "checkbox", id });
  input.checked = schema.initial ?? false;
  return {
    body: input,
    control: input,
    get: () => input.checked,
    set: (value) => (input.checked = String(value) === "true"),
  };
}

function listField(schema, id, name) {
  const input = h("input", {
    class: "input grow",
    id,
    inputmode: "numeric",
    autocomplete: "off",
    placeholder: "1, 2, 3",
  });
  const seeds = schema.items.maximum > SEEDS_FROM;
  const draw = () => {
    input.value = Array.from({ length: schema.minItems ?? 2 }, () => randomSeed() % 100_000).join(", ");
    input.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const dice = seeds && iconButton("dice", `Draw ${words(name).toLowerCase()}`, draw);
  if (schema.initial) input.value = schema.initial.join(", ");
  const get = () =>
    input.value.trim() === ""
      ? undefined
      : input.value
          .split(/[\s,]+/)
          .filter(Boolean)
          .map(Number);
  return {
    body: h("div", { class: "row" }, input, dice),
    control: input,
    rare: !seeds,
    get,
    set: (value) => (input.value = [value].flat().join(", ")),
  };
}

function textField(schema, id) {
  const input = h("input", {
    class: "input",
    id,
    value: schema.initial ?? (schema.required ? (schema.examples?.[0] ?? "") : ""),
    placeholder: schema.examples?.[0] ?? "",
  });
  return { body: input, control: input, get: () => input.value || undefined, set: (value) => (input.value = value) };
}

function jsonField(schema, id) {
  const input = h("textarea", { class: "textarea", id, rows: 3, spellcheck: "false", placeholder: "JSON" });
  const get = () => {
    if (input.value.trim() === "") return undefined;
    try {
      return JSON.parse(input.value);
    } catch {
      return input.value;
    }
  };
  return {
    body: input,
    control: input,
    rare: true,
    get,
    set: (value) => (input.value = typeof value === "string" ? value : JSON.stringify(value)),
  };
}

function maskField(schema, id) {
  const input = h("mask-input", { id });
  return {
    body: input,
    control: input,
    grouped: true,
    pictures: true,
    speaks: true,
    get: () => input.pictures,
    set: () => {},
  };
}

function picturesField(schema, id, many, several = false) {
  const input = h("picture-input", { id: `${id}-pictures`, "input-id": id, many, several });
  input.offer(schema.pictures ?? []);
  input.bounds = schema.bounds ?? null;
  return {
    body: input,
    control: input.control,
    pictures: true,
    speaks: true,
    get: () => input.pictures,
    set: (given) => (input.pictures = given),
  };
}
