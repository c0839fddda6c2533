// Against the Easel that EASEL_SERVER names, as tests/test_js_client.py runs it.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { asDataUri, Easel, EaselError } from "../index.js";

const easel = new Easel(process.env.EASEL_SERVER);

test("pictures are made and fetched", async () => {
  const made = await easel.predict({ model: "toy-dcgan", input: { n: 2, seed: 5 }, output: { format: "webp" } });
  assert.deepEqual(made.output.map((image) => image.seed), [5, 6]);
  const file = await easel.image(made, 1);
  assert.equal(file.type, "image/webp");
});

test("pictures are sent as data URIs and as uploads", async () => {
  const made = await easel.predict({ model: "toy-dcgan", input: { seed: 1 } });
  const picture = await easel.image(made);
  const inputs = [await asDataUri(picture), await easel.upload(picture)];
  const codes = await Promise.all(inputs.map((image) => easel.predict({ model: "toy-cyclegan", input: { image } })));
  assert.equal(codes[0].output[0].sha256, codes[1].output[0].sha256);
});

test("a prediction is watched to its end", async () => {
  const names = [];
  for await (const event of easel.watch(await easel.create({ model: "toy-diffusion", input: { label: 1 } }))) {
    names.push(event.name);
    if (event.name === "completed") assert.equal(event.data.status, "succeeded");
  }
  assert.equal(names.at(-1), "completed");
});

test("refusals say which input is wrong", async () => {
  const refusal = await easel.predict({ model: "toy-dcgan", input: { n: 0 } }).catch((error) => error);
  assert.ok(refusal instanceof EaselError);
  assert.equal(refusal.status, 422);
  assert.equal(refusal.errors[0].pointer, "/input/n");
  assert.ok((await easel.models()).some((model) => model.id === "toy-dcgan"));
});

for (const [moment, status] of [["before the first answer", null], ["while it looks again", 202]]) {
  test(`an aborted signal cancels the prediction ${moment}`, async () => {
    const asked = [];
    const stopping = new AbortController();
    const server = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      if (request.method !== "PUT") return response.end("{}");
      setTimeout(() => stopping.abort(new Error("gone")), 20);
      if (status) response.writeHead(status).end(JSON.stringify({ status: "queued", urls: { get: request.url } }));
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    const endless = new Easel(`http://127.0.0.1:${server.address().port}`);
    await assert.rejects(endless.predict({ model: "any" }, { signal: stopping.signal }), /gone/);
    assert.equal(asked.at(-1), `POST ${asked[0].slice("PUT ".length)}/cancel`);
    server.closeAllConnections();
    server.close();
  });
}
