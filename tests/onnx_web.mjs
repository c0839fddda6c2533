// Runs ONNX graphs by onnxruntime-web's WebAssembly in Node, and writes what they make.
//
// node onnx_web.mjs PACKAGE FOLDER: for each NAME.onnx in FOLDER there is NAME.json, its inputs by name
// ({type, dims, data}); NAME.made.json gets the output `result` as {dims, data}.
import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [packageFolder, folder] = process.argv.slice(2);
const ort = await import(pathToFileURL(join(packageFolder, "dist/ort.wasm.bundle.min.mjs")));
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = pathToFileURL(join(packageFolder, "dist/")).href;
ort.env.wasm.wasmBinary = await readFile(join(packageFolder, "dist/ort-wasm-simd-threaded.wasm"));

const arrays = { float32: Float32Array, int64: BigInt64Array };

for (const file of (await readdir(folder)).filter((name) => name.endsWith(".onnx"))) {
  const given = JSON.parse(await readFile(join(folder, file.replace(/onnx$/, "json")), "utf8"));
  const feeds = Object.fromEntries(
    Object.entries(given).map(([name, { type, dims, data }]) => {
      const numbers = type === "int64" ? data.map(BigInt) : data;
      return [name, new ort.Tensor(type, arrays[type].from(numbers), dims)];
    }),
  );
  const session = await ort.InferenceSession.create(await readFile(join(folder, file)), { executionProviders: ["wasm"] });
  const { result } = await session.run(feeds);
  const made = { dims: [...result.dims], data: [...result.data] };
  await writeFile(join(folder, file.replace(/onnx$/, "made.json")), JSON.stringify(made));
}
