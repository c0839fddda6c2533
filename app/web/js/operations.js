// The corner for whoever runs the server: what waits, who works, what they hold in memory, and how fast it goes.

import { json } from "./api.js";
import { counted, duration, h } from "./dom.js";
import { table } from "./table.js";

/**
 * @param {AbortSignal} signal
 * @returns {[HTMLElement, () => Promise<void>]} the corner, and what reads it anew
 */
export function operations(signal) {
  const figures = h("dl", { class: "stats" });
  const tables = h("div", { class: "operations-tables" });
  const corner = h(
    "section",
    { class: "operations", "aria-labelledby": "operations", hidden: true },
    h("h2", { id: "operations" }, "Queue and workers"),
    figures,
    tables,
  );

  async function read() {
    try {
      const told = await json("/v1/queue", { signal });
      corner.hidden = false;
      figures.replaceChildren(...stats(told));
      tables.replaceChildren(...[queues(told.queues), workers(told.workers), stages(told.lately)].filter(Boolean));
    } catch (error) {
      if (error.status !== 403) throw error; // a key that may only ask for pictures
    }
  }

  return [corner, read];
}

function stats({ depth, running, workers, lately }) {
  const shown = {
    waiting: depth,
    running,
    workers: workers.filter((one) => one.alive).length,
    "pictures / second": lately.images_per_s,
    "pictures / batch": lately.batch_size ?? "–",
  };
  return Object.entries(shown).map(([name, value]) =>
    h(
      "div",
      { class: "stat" },
      h("dt", {}, name),
      h("dd", {}, value.toLocaleString("en", { maximumFractionDigits: 1 })),
    ),
  );
}

function queues(rows) {
  const cells = rows.map(({ model, priority, depth, running, pace_s }) => [
    model,
    priority,
    depth,
    running,
    pace_s === null ? "–" : duration(pace_s * 1000),
  ]);
  return rows.length && table("Queues", ["Model", "Priority", "Waiting", "Running", "Pace"], cells);
}

function workers(rows) {
  const cells = rows.map((one) => [
    `${one.host}, ${one.pid}`,
    one.alive ? one.state : "lost",
    `${one.device}, ${counted(one.threads, "thread")}`,
    one.models.map(({ id }) => id).join(", ") || "none yet",
    one.succeeded,
    one.failed,
  ]);
  return rows.length && table("Workers", ["Worker", "State", "Device", "Models in memory", "Done", "Failed"], cells);
}

function stages({ stages, window_s }) {
  const cells = Object.entries(stages).map(([name, { count, mean_ms }]) => [name, count, duration(mean_ms)]);
  return (
    cells.length &&
    table(`Stages, the last ${counted(Math.round(window_s), "second")}`, ["Stage", "Times", "Takes"], cells)
  );
}
