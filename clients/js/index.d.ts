export type Status = "queued" | "processing" | "canceling" | "succeeded" | "failed" | "canceled";

export interface OutputImage {
  url: string;
  /** Draws this very picture again; null where no noise was drawn. */
  seed: number | null;
  width: number;
  height: number;
  sha256: string;
  /** Where a key is needed: the same address for an `<img>`, without one, until `expires_at`. */
  link?: string;
  b64_json?: string;
  latent?: number[];
}

/** Of `score`, `classify` and `encode`, which make no pictures. */
export interface OutputNumbers {
  values?: Record<string, number>;
  latent?: number[];
}

export interface Urls {
  get: string;
  cancel: string;
  events: string;
  grid?: string;
  archive?: string;
}

/** A request and its life. The URLs are relative to the server, or whole where it knows its public address. */
export interface Prediction {
  id: string;
  object: "prediction";
  model: string;
  /** The sha256 of the weights that it was admitted with. */
  version: string;
  task: string;
  status: Status;
  input: Record<string, unknown>;
  output: (OutputImage & OutputNumbers)[] | null;
  error: { code: string; detail: string } | null;
  metrics: Record<string, unknown> | null;
  created_at: string;
  started_at: string | null;
  /** While a worker loads the model: about how many seconds that takes, null if it is not known. */
  loading?: { estimate_s: number | null };
  completed_at: string | null;
  expires_at: string | null;
  urls: Urls;
}

export interface Order {
  model: string;
  /** The model's first if absent. */
  task?: string;
  /** What `GET /v1/models/{model}` says that the task takes. Pictures are `asDataUri` or `upload` of them. */
  input?: Record<string, unknown>;
  output?: {
    format?: "png" | "jpg" | "webp" | "avif";
    quality?: number;
    grid?: boolean;
    archive?: boolean;
    latents?: boolean;
    b64_json?: boolean;
    metadata?: boolean;
  };
  priority?: "high" | "normal" | "low";
  webhook?: string;
  webhook_events_filter?: string[];
}

/** Something that happened: `data` of `completed` is the prediction. */
export interface Event {
  name: "queued" | "started" | "loading" | "loaded" | "progress" | "preview" | "completed";
  data: Record<string, unknown>;
  id: string;
}

export interface Call {
  signal?: AbortSignal;
}

/** What the server refused (`status` is that of HTTP), or what a prediction ended with (`status` is null). */
export declare class EaselError extends Error {
  readonly code: string;
  readonly status: number | null;
  /** Which inputs are wrong, and how. */
  readonly errors: { pointer: string; detail: string }[];
  readonly retryAfterSeconds: number | null;
}

export declare class Easel {
  constructor(server?: string, options?: { key?: string });
  models(call?: Call): Promise<{ id: string; [field: string]: unknown }[]>;
  create(order: Order, call?: Call): Promise<Prediction>;
  get(prediction: Prediction, call?: Call): Promise<Prediction>;
  watch(prediction: Prediction, call?: Call): AsyncGenerator<Event, void>;
  cancel(prediction: Prediction, call?: Call): Promise<Prediction>;
  /** Asks and waits until it has succeeded; when the signal aborts, it is canceled on the server, too. */
  predict(order: Order, call?: Call): Promise<Prediction>;
  image(prediction: Prediction, index?: number, call?: Call): Promise<Blob>;
  upload(picture: Blob, call?: Call): Promise<string>;
}

export declare function asDataUri(picture: Blob): Promise<string>;
