// The request just made, as code that runs as pasted: curl, Python, JavaScript, and OpenAI's SDK where it has such a request.

/** Tasks that answer with numbers, not with a picture. */
const NUMBERS = new Set(["encode", "score", "classify"]);

/**
 * @param {string} origin of the server
 * @param {import("./predictions.js").Order} order
 * @param {import("./predictions.js").Pictures} pictures
 * @param {boolean} guarded whether a key is needed, which the code then reads from `EASEL_KEY`
 * @returns {Record<string, string>} code by the language's name
 */
export function snippets(origin, order, pictures, guarded) {
  const files = Object.entries(pictures).flatMap(([field, given]) => given.map((one) => ({ field, ...one })));
  const numbers = NUMBERS.has(order.task);
  const asked = numbers ? { Accept: "application/json", Prefer: "wait=60" } : { Accept: "image/png" };
  const request = { origin, order, files, guarded, asked, out: `${order.model}.${numbers ? "json" : "png"}` };
  const openai = openaiSdk(request);
  return {
    curl: curl(request),
    Python: python(request),
    JavaScript: javascript(request),
    ...(openai && { "OpenAI SDK": openai }),
  };
}

function curl({ origin, order, files, guarded, asked, out }) {
  const key = guarded ? '-H "Authorization: Bearer $EASEL_KEY" ' : "";
  const fetches = files
    .filter((one) => one.url)
    .map((one) => `curl -sS ${key}-o ${shell(one.name)} ${shell(origin + one.url)}\n`);
  const sent = files.length
    ? [
        `-F ${shell(`request=${JSON.stringify(order)}`)}`,
        ...files.map((one) => `-F ${shell(`${one.field}=@${one.name}`)}`),
      ]
    : ["-H 'Content-Type: application/json'", `-d ${shell(JSON.stringify(order))}`];
  const heads = Object.entries(asked).map(([name, value]) => `-H '${name}: ${value}'`);
  const lines = [`curl -sS ${origin}/v1/predictions ${key}${heads.join(" ")}`, ...sent, `-o ${shell(out)}`];
  return fetches.join("") + lines.join(" \\\n  ");
}

function shell(text) {
  return /^[\w./:=@-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

function python({ origin, order, files, guarded, asked, out }) {
  const imports = ["json", ...(files.length ? ["base64"] : []), ...(guarded ? ["os"] : []), "urllib.request"].sort();
  const key = guarded ? ', "Authorization": "Bearer " + os.environ["EASEL_KEY"]' : "";
  const headers = guarded ? `, headers={${key.slice(2)}}` : "";
  const read = (one) =>
    one.url
      ? `urllib.request.urlopen(urllib.request.Request(${literal(origin + one.url)}${headers})).read()`
      : `open(${literal(one.name)}, "rb").read()`;
  const heads = Object.entries(asked).map(([name, value]) => `"${name}": "${value}"`);
  const uri = (one) => `"data:${one.blob.type || "image/png"};base64," + base64.b64encode(${read(one)}).decode()`;
  const fields = Array.from(new Set(files.map((one) => one.field)), (field) => {
    const given = files.filter((one) => one.field === field).map(uri);
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
      ? `await (await fetch(${JSON.stringify(origin + one.url)}${key && `, { headers: { ${key} } }`})).blob()`
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

/** OpenAI's API knows prompts: a class by its name, a translation by its direction. */
function openaiSdk({ origin, order, files, guarded, out }) {
  const { n = 1, label, direction, ...rest } = order.input;
  const method = { sample: "generate", conditional: "generate", translate: "edit", vary: "create_variation" }[
    order.task
  ];
  if (!method) return null;
  const [image] = files;
  if (method !== "generate" && !image) return null;
  const key = guarded ? 'os.environ["EASEL_KEY"]' : '"none"';
  const headers = guarded ? `, headers={"Authorization": "Bearer " + ${key}}` : "";
  const bytes = image?.url
    ? `urllib.request.urlopen(urllib.request.Request(${literal(origin + image.url)}${headers})).read()`
    : image && `open(${literal(image.name)}, "rb").read()`;
  const prompt = method === "generate" ? String(label ?? "anything") : (direction ?? String(rest.target ?? rest.targets ?? ""));
  const given = [
    `model=${literal(order.model)}`,
    method !== "create_variation" && `prompt=${literal(prompt)}`,
    image && `image=(${literal(image.name)}, ${bytes})`,
    "n" in order.input && `n=${n}`,
    'response_format="b64_json"',
    Object.keys(rest).length > 0 && `extra_body=${literal(rest)}`,
  ].filter(Boolean);
  const imports = ["base64", guarded && "os", image?.url && "urllib.request"].filter(Boolean);
  return `${imports.map((name) => `import ${name}\n`).join("")}
from openai import OpenAI

client = OpenAI(base_url="${origin}/v1", api_key=${key})
answer = client.images.${method}(
${given.map((one) => `    ${one},\n`).join("")})
for index, image in enumerate(answer.data):
    with open(f"${out.replace(".png", "")}-{index}.png", "wb") as file:
        file.write(base64.b64decode(image.b64_json))`;
}

/** Whether an input is a list of pictures: those are named in the plural. */
function isList(field) {
  return field.endsWith("s");
}
