// Of many wishes in a row only the newest counts: what a drag asks for while an answer is on its way.

const LEAST_MS = 100;

/**
 * Runs one wish at a time. A newer one waits for the answer that is underway, unless that takes more than twice as long
 * as answers lately did: then it is aborted, so that neither a slow answer blocks nor a fast hand starves the picture.
 * @template W
 * @param {(wish: W, signal: AbortSignal) => Promise<void>} grant
 * @param {(error: Error) => void} fail told why a wish was not granted, unless it was superseded
 * @param {AbortSignal} leaving aborts what is underway
 * @returns {(wish: W) => void}
 */
export function latest(grant, fail, leaving) {
  let next = null;
  let running = null;
  let usual = 0;
  leaving.addEventListener("abort", () => running?.abort.abort());

  async function run(wish) {
    running = { abort: new AbortController(), since: performance.now() };
    const mine = running;
    try {
      await grant(wish, mine.abort.signal);
      const took = performance.now() - mine.since;
      usual = usual === 0 ? took : 0.7 * usual + 0.3 * took;
    } catch (error) {
      if (!mine.abort.signal.aborted) {
        next = null;
        fail(error);
      }
    }
    if (running !== mine) return;
    running = null;
    if (next !== null && !leaving.aborted) {
      const wanted = next;
      next = null;
      run(wanted);
    }
  }

  function overdue() {
    if (running === null || next === null) return;
    const patience = Math.max(LEAST_MS, 2 * usual);
    const left = running.since + patience - performance.now();
    if (left > 0) setTimeout(overdue, left);
    else running.abort.abort();
  }

  return (wish) => {
    if (running === null) {
      run(wish);
    } else {
      const first = next === null;
      next = wish;
      if (first) overdue();
    }
  };
}
