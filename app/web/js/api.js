// Requests to this server: the key, the errors, and server-sent events. Everything the page asks goes through here.

import { at } from "./home.js";
import { askForKey } from "./key-dialog.js";

const KEY = "easel-key";

/** An error that the server answered with (RFC 9457), or that kept it from answering. */
export class Problem extends Error {
  /**
   * @param {{status: number, code: string, detail: string, request_id?: string,
   *          errors?: {pointer: string, detail: string}[]}} body
   * @param {number | null} retryAfter seconds until it makes sense to ask again
   */
  constructor(body, retryAfter = null) {
    super(body.detail);
    this.status = body.status;
    this.code = body.code;
    this.errors = body.errors ?? [];
    this.requestId = body.request_id ?? null;
    this.retryAfter = retryAfter;
  }
}

/** The API key of this tab, if one was asked for. */
export function heldKey() {
  return sessionStorage.getItem(KEY);
}

/**
 * A request; a refused key is asked for and tried again.
 * @param {string} path
 * @param {RequestInit} [init]
 * @returns {Promise<Response>} one that is ok
 * @throws {Problem}
 */
export function request(path, init = {}) {
  return admitted(() => send(path, init));
}

/**
 * Sends files, and tells how far it is: `fetch` cannot. A refused key is asked for and tried again.
 * @param {string} path
 * @param {{body: Blob | FormData, type?: string, signal?: AbortSignal,
 *          onProgress?: (sent: number, total: number) => void}} given `type` is the body's, where that does not say it
 * @returns {Promise<any>} the JSON that it answers with
 * @throws {Problem}
 */
export async function upload(path, given) {
  return (await admitted(() => sendFiles(path, given))).json();
}

/** Asks for another key than the one held. @returns {Promise<boolean>} whether one was given */
export async function changeKey() {
  const key = await askForKey("change");
  if (key === null) return false;
  sessionStorage.setItem(KEY, key);
  return true;
}

/** The answer, if need be after a key was asked for. @param {() => Promise<Response>} ask */
async function admitted(ask) {
  for (;;) {
    const answer = await ask();
    if (answer.ok) return answer;
    const problem = await problemOf(answer);
    if (problem.status !== 401) throw problem;
    const key = await askForKey(heldKey() === null ? "first" : "refused");
    if (key === null) throw problem;
    sessionStorage.setItem(KEY, key);
  }
}

/** @param {string} path @param {RequestInit} [init] @returns {Promise<any>} the JSON that it answers with */
export async function json(path, init) {
  return (await request(path, init)).json();
}

async function send(path, init) {
  const headers = new Headers(init.headers);
  const key = heldKey();
  if (key !== null) headers.set("Authorization", `Bearer ${key}`);
  try {
    return await fetch(at(path), { ...init, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw unreachable();
  }
}

/** @returns {Promise<Response>} */
function sendFiles(path, { body, type, signal, onProgress = () => {} }) {
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    sending.open("POST", at(path));
    if (type) sending.setRequestHeader("Content-Type", type);
    if (heldKey() !== null) sending.setRequestHeader("Authorization", `Bearer ${heldKey()}`);
    sending.upload.addEventListener("progress", ({ loaded, total }) => onProgress(loaded, total));
    sending.addEventListener("load", () => {
      const told = sending.getResponseHeader("Retry-After");
      const headers = told === null ? {} : { "Retry-After": told };
      resolve(new Response(sending.responseText, { status: sending.status, headers }));
    });
    sending.addEventListener("error", () => reject(unreachable()));
    sending.addEventListener("abort", () => reject(signal?.reason));
    signal?.addEventListener("abort", () => sending.abort(), { once: true });
    sending.send(body);
  });
}

function unreachable() {
  return new Problem({ status: 0, code: "unreachable", detail: "Easel cannot be reached. Is it running?" }, 5);
}

async function problemOf(answer) {
  const told = answer.headers.get("Retry-After");
  const unread = { status: answer.status, code: "unreadable", detail: `the server answered ${answer.status}` };
  const body = await answer.json().catch(() => unread);
  return new Problem(body, told === null ? null : Number(told));
}

/**
 * Server-sent events, over `fetch` because an `EventSource` cannot send a key. Comes back after a broken connection.
 * @param {string} path
 * @param {AbortSignal} [signal]
 * @returns {AsyncGenerator<{name: string, data: any}>}
 */
export async function* events(path, signal) {
  let last = "";
  for (;;) {
    const headers = last ? { "Last-Event-ID": last } : {};
    const answer = await request(path, { headers: { Accept: "text/event-stream", ...headers }, signal });
    for await (const { id, event, data } of messages(answer.body)) {
      if (id) last = id;
      yield { name: event, data: JSON.parse(data) };
      if (event === "completed") return;
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

/** Splits a stream of events into messages of named fields; comments are left out. */
async function* messages(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    const blocks = (rest + read.value.replaceAll("\r", "")).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const fields = block
        .split("\n")
        .map((line) => /^(\w+): ?(.*)$/.exec(line))
        .filter(Boolean);
      const message = Object.fromEntries(fields.map(([, name, value]) => [name, value]));
      if (message.data) yield message;
    }
  }
}
