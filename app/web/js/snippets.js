// The request just made, as code that runs as pasted: curl, Python, JavaScript, and OpenAI's SDK where it has such a request.

import { pathOf } from "./home.js";

/** Tasks that answer with numbers, not with a picture. */
const NUMBERS = new Set(["encode", "score", "classify"]);

/** A translation is asked for alone: the way back and its heat map, which the page shows besides, are left out. */
const BESIDES = ["cycle", "heat_map"];

/**
 * @param {string} origin where the server is, without a slash at the end
 * @param {import("./predictions.js").Order} order
 * @param {import("./predictions.js").Pictures} pictures
 * @param {boolean} guarded whether a key is needed, which the code then reads from `EASEL_KEY`
 * @returns {Record<string, string>} code by the language's name
 */
export function snippets(origin, order, pictures, guarded) {
  const files = filesOf(pictures);
  const numbers = NUMBERS.has(order.task);
  const asked = numbers ? { Accept: "application/json", Prefer: "wait=60" } : { Accept: "image/png" };
  const out = `${order.model}.${numbers ? "json" : "png"}`;
  const request = { origin, order: asSent(order), files, guarded, asked, out };
  const openai = openaiSdk(request);
  return {
    curl: curl(request),
    Python: python(request),
    JavaScript: javascript(request),
    ...(openai && { "OpenAI SDK": openai }),
  };
}

/**
 * The pictures as files that the code reads, each under a name that no other one has.
 * @param {import("./predictions.js").Pictures} pictures
 * @returns {(import("./pictures.js").Picture & {field: string})[]}
 */
export function filesOf(pictures) {
  const named = new Map();
  return Object.entries(pictures).flatMap(([field, given]) =>
    given.map((one) => {
      let { name } = one;
      while (named.has(name) && named.get(name) !== one.blob) name = `${field}-${name}`;
      named.set(name, one.blob);
      return { ...one, field, name };
    }),
  );
}

/** An order without what JSON leaves out, what only the page reads, and inputs that are not given. */
function asSent({ model, task, input }) {
  const given = Object.entries(input).filter(
    ([name, value]) => value !== undefined && value !== null && !BESIDES.includes(name),
  );
  return { model, task, input: Object.fromEntries(given) };
}

function curl({ origin, order, files, guarded, asked, out }) {
  const key = guarded ? '-H "Authorization: Bearer $EASEL_KEY" ' : "";
  const fetches = files
    .filter((one) => one.url)
    .map((one) => `curl -sS ${key}-o ${shell(one.name)} ${shell(origin + pathOf(one.url))}\n`);
  const sent = files.length
    ? [
        `-F ${shell(`request=${JSON.stringify(order)}`)}`,
        ...files.map((one) => `-F ${shell(`${one.field}=@${part(one.name)}`)}`),
      ]
    : ["-H 'Content-Type: application/json'", `-d ${shell(JSON.stringify(order))}`];
  const heads = Object.entries(asked).map(([name, value]) => `-H '${name}: ${value}'`);
  const lines = [`curl -sS ${origin}/v1/predictions ${key}${heads.join(" ")}`, ...sent, `-o ${shell(out)}`];
  return fetches.join("") + lines.join(" \\\n  ");
}

function shell(text) {
  return /^[\w./:=@-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A file's name as curl's `-F` reads it, where commas and semicolons end one that is not quoted. */
function part(name) {
  return /[",;\\]/.test(name) ? `"${name.replace(/["\\]/g, "\\$&")}"` : name;
}

function python({ origin, order, files, guarded, asked, out }) {
  const imports = ["json", ...(files.length ? ["base64"] : []), ...(guarded ? ["os"] : []), "urllib.request"].sort();
  const key = guarded ? ', "Authorization": "Bearer " + os.environ["EASEL_KEY"]' : "";
  const heads = Object.entries(asked).map(([name, value]) => `"${name}": "${value}"`);
  const fields = Array.from(new Set(files.map((one) => one.field)), (field) => {
    const given = files.filter((one) => one.field === field).map((one) => dataUri(one, origin, guarded));
    return `order["input"]["${field}"] = ${isList(field) ? `[${given.join(", ")}]` : given[0]}\n`;
  });
  return `${imports.map((name) => `import ${name}\n`).join("")}
order = ${literal(order)}
${fields.join("")}request = urllib.request.Request(
    ${literal(`${origin}/v1/predictions`)},
    data=json.dumps(order).encode(),
    headers={"Content-Type": "application/json", ${heads.join(", ")}${key}},
)
with urllib.request.urlopen(request) as answer, open(${literal(out)}, "wb") as file:
    file.write(answer.read())`;
}

/** The bytes of a picture, as an expression of Python. */
function bytes({ name, url }, origin, guarded) {
  const headers = guarded ? ', headers={"Authorization": "Bearer " + os.environ["EASEL_KEY"]}' : "";
  return url
    ? `urllib.request.urlopen(urllib.request.Request(${literal(origin + pathOf(url))}${headers})).read()`
    : `open(${literal(name)}, "rb").read()`;
}

/** The same as a data: URI. */
function dataUri(one, origin, guarded) {
  const kind = one.blob.type || "image/png";
  return `"data:${kind};base64," + base64.b64encode(${bytes(one, origin, guarded)}).decode()`;
}

/** JSON as Python writes it. */
function literal(value) {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([name, one]) => `${JSON.stringify(name)}: ${literal(one)}`)
    .join(", ")}}`;
}

function javascript({ origin, order, files, guarded, asked, out }) {
  const key = guarded ? "Authorization: `Bearer ${process.env.EASEL_KEY}`" : "";
  const read = (one) =>
    one.url
      ? `await (await fetch(${JSON.stringify(origin + pathOf(one.url))}${key && `, { headers: { ${key} } }`})).blob()`
      : `new Blob([await readFile(${JSON.stringify(one.name)})])`;
  const local = files.some((one) => !one.url);
  const form = files.map((one) => `form.append("${one.field}", ${read(one)}, ${JSON.stringify(one.name)});\n`).join("");
  const body = files.length ? "form" : `JSON.stringify(${JSON.stringify(order)})`;
  const headers = [
    ...Object.entries(asked).map(([name, value]) => `${name}: "${value}"`),
    ...(files.length ? [] : ['"Content-Type": "application/json"']),
    ...(key ? [key] : []),
  ];
  return `// Node 18 or newer, as a module (.mjs); in a browser leave the file out and use the blob.
import { ${local ? "readFile, " : ""}writeFile } from "node:fs/promises";

${files.length ? `const form = new FormData();\nform.append("request", JSON.stringify(${JSON.stringify(order)}));\n${form}` : ""}const answer = await fetch("${origin}/v1/predictions", {
  method: "POST",
  headers: { ${headers.join(", ")} },
  body: ${body},
});
if (!answer.ok) throw new Error((await answer.json()).detail);
const blob = await answer.blob();
await writeFile(${JSON.stringify(out)}, Buffer.from(await blob.arrayBuffer()));`;
}

/** OpenAI's method for a task, if it has one. */
const OPENAI = {
  sample: "generate",
  conditional: "generate",
  text: "generate",
  translate: "edit",
  inpaint: "edit",
  vary: "create_variation",
};

/**
 * OpenAI's API knows prompts: a text as it is, a class by its name, a translation by its direction or its targets.
 * Further inputs go as they are.
 */
function openaiSdk({ origin, order, files, guarded }) {
  const method = OPENAI[order.task];
  const first = (field) => files.find((one) => one.field === field);
  const [image, mask] = [first("image"), first("mask")];
  if (!method || (method !== "generate" && !image)) return null;
  const { n, text, direction, ...inputs } = order.input;
  const { label, target, targets } = inputs;
  if (typeof label === "string") delete inputs.label;
  const prompt = String(text ?? label ?? direction ?? target ?? targets?.join(", ") ?? "anything");
  const file = (field, one) => one && `${field}=(${literal(one.name)}, ${bytes(one, origin, guarded)})`;
  const others = files.filter((one) => one !== image && one !== mask);
  const extra = [
    ...Object.entries(inputs).map(([name, value]) => `${literal(name)}: ${literal(value)}`),
    ...others.map((one) => `${literal(one.field)}: ${dataUri(one, origin, guarded)}`),
  ];
  const given = [
    `model=${literal(order.model)}`,
    method !== "create_variation" && `prompt=${literal(prompt)}`,
    file("image", image),
    file("mask", mask),
    n !== undefined && `n=${n}`,
    'response_format="b64_json"',
    extra.length > 0 && `extra_body={${extra.join(", ")}}`,
  ].filter(Boolean);
  const imports = ["base64", guarded && "os", files.some((one) => one.url) && "urllib.request"].filter(Boolean);
  const key = guarded ? 'os.environ["EASEL_KEY"]' : '"none"';
  return `${imports.map((name) => `import ${name}\n`).join("")}
from openai import OpenAI

client = OpenAI(base_url="${origin}/v1", api_key=${key})
answer = client.images.${method}(
${given.map((one) => `    ${one},\n`).join("")})
for index, image in enumerate(answer.data):
    with open(f"${order.model}-{index}.png", "wb") as file:
        file.write(base64.b64decode(image.b64_json))`;
}

/** Whether an input is a list of pictures: those are named in the plural. */
function isList(field) {
  return field.endsWith("s");
}
