// A client of Easel's HTTP API (docs/api.md). Its types are in index.d.ts.

const ENDED = ["succeeded", "failed", "canceled"];
const WAIT = { Prefer: "wait=20" }; // a busy server is asked again only after so many seconds
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5000;

/** What the server refused, or what a prediction ended with. */
export class EaselError extends Error {
  constructor(detail, code, status = null, errors = [], retryAfterSeconds = null) {
    super(detail);
    this.name = "EaselError";
    Object.assign(this, { code, status, errors, retryAfterSeconds });
  }
}

export class Easel {
  #server;
  #headers;

  constructor(server = "http://127.0.0.1:8000", { key } = {}) {
    this.#server = server.replace(/\/$/, "");
    this.#headers = key ? { Authorization: `Bearer ${key}` } : {};
  }

  async models({ signal } = {}) {
    return (await this.#json("/v1/models", { signal })).data;
  }

  create(order, { signal } = {}) {
    return this.#json("/v1/predictions", { method: "POST", ...asJson(order), signal });
  }

  get(prediction, { signal } = {}) {
    return this.#json(prediction.urls.get, { signal });
  }

  /** What happens to a prediction, until it has ended. It sends the key, which an EventSource cannot. */
  async *watch(prediction, { signal } = {}) {
    const answer = await this.#ask(prediction.urls.events, { signal });
    let event = {};
    for await (const line of lines(answer.body)) {
      const colon = line.indexOf(":");
      if (line !== "") {
        event[line.slice(0, colon)] = line.slice(colon + 1).replace(/^ /, "");
        continue;
      }
      const { event: name = "message", data, id = "" } = event;
      if (data !== undefined) yield { name, data: JSON.parse(data), id };
      event = {};
    }
  }

  cancel(prediction, { signal } = {}) {
    return this.#json(prediction.urls.cancel, { method: "POST", signal });
  }

  /** Asks and waits until it has succeeded. When the signal aborts, the prediction is canceled on the server, too. */
  async predict(order, { signal } = {}) {
    const path = `/v1/predictions/${newId()}`; // of our own, to be canceled by before there is an answer
    try {
      const asked = asJson(order);
      let made = await this.#json(path, { method: "PUT", ...asked, headers: { ...asked.headers, ...WAIT }, signal });
      for (let pause = FIRST_PAUSE_MS; !ENDED.includes(made.status); pause = Math.min(1.5 * pause, LONGEST_PAUSE_MS)) {
        await sleep(pause, signal);
        made = await this.get(made, { signal });
      }
      if (made.status === "succeeded") return made;
      const { detail, code } = made.error ?? { detail: "the prediction was canceled", code: "canceled" };
      throw new EaselError(detail, code);
    } catch (error) {
      if (signal?.aborted) {
        // keepalive: it goes out even if the page is being left
        await this.#ask(`${path}/cancel`, { method: "POST", keepalive: true }).catch(() => {});
      }
      throw error;
    }
  }

  /** The file of one picture. */
  async image(prediction, index = 0, { signal } = {}) {
    return (await this.#ask(prediction.output[index].url, { signal })).blob();
  }

  /** Sends a picture once; what is returned names it in any number of inputs. */
  async upload(picture, { signal } = {}) {
    const body = new FormData();
    body.set("file", picture);
    return `upload:${(await this.#json("/v1/uploads", { method: "POST", body, signal })).id}`;
  }

  async #json(path, init) {
    return (await this.#ask(path, init)).json();
  }

  async #ask(path, init) {
    const answer = await fetch(/^https?:/.test(path) ? path : this.#server + path, { ...init, headers: { ...init.headers, ...this.#headers } });
    if (answer.ok) return answer;
    const problem = await answer.json().catch(() => ({})); // a proxy on the way answers with something else
    const wait = answer.headers.get("Retry-After");
    throw new EaselError(
      problem.detail ?? `the server answered ${answer.status}`,
      problem.code ?? "http_error",
      answer.status,
      problem.errors ?? [],
      wait === null ? null : Number(wait),
    );
  }
}

/** A picture as an input of a prediction: `{ image: await asDataUri(file) }`. */
export async function asDataUri(picture) {
  const bytes = new Uint8Array(await picture.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return `data:${picture.type};base64,${btoa(text)}`;
}

function asJson(value) {
  return { headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) };
}

function newId() {
  // crypto.randomUUID is only there where the page came by https
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop, { once: true });
  });
}

async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (let rest = ""; ; ) {
      const { value, done } = await reader.read();
      if (done) return;
      const parts = (rest + value).split(/\r\n|\n/);
      rest = parts.pop();
      yield* parts;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
