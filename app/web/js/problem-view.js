// An error in words, where it arose. One that passes by itself says when, and offers to try again.

import { counted, h } from "./dom.js";

const TITLES = {
  0: "No answer",
  401: "A key is needed",
  403: "Not allowed",
  404: "Not found",
  410: "Expired",
  413: "Too large",
  415: "Not a picture",
  422: "That does not fit",
  429: "Over your limit",
  503: "Easel is busy",
};

/**
 * @param {Error & {status?: number, retryAfter?: number | null, errors?: any[], requestId?: string | null}} problem
 * @param {() => void} [retry]
 * @returns {HTMLElement}
 */
export function problemView(problem, retry) {
  const title = TITLES[problem.status] ?? (problem.status >= 500 ? "Easel failed" : "It did not work");
  const retriable = retry && problem.retryAfter !== null && problem.retryAfter !== undefined;
  return h(
    "div",
    { class: "notice bad", role: "alert" },
    h("strong", {}, title),
    h("p", {}, sentence(problem.message)),
    ...(problem.errors ?? []).map((error) => h("p", { class: "error" }, sentence(error.detail))),
    retriable && retryButton(problem.retryAfter, retry),
    problem.requestId && problem.status >= 500 && h("p", { class: "meta" }, `request ${problem.requestId}`),
  );
}

/** Counts the seconds down that the server asked to wait, then can be pressed. */
function retryButton(seconds, retry) {
  const button = h("button", { class: "button small", type: "button", disabled: true, onclick: retry });
  const until = Date.now() + seconds * 1000;
  const tick = () => {
    const left = Math.ceil((until - Date.now()) / 1000);
    button.disabled = left > 0;
    button.textContent = left > 0 ? `Try again in ${counted(left, "second")}` : "Try again";
    if (left > 0) setTimeout(tick, 250);
  };
  tick();
  return button;
}

function sentence(text) {
  return text[0].toUpperCase() + text.slice(1) + (/[.?!…]$/.test(text) ? "" : ".");
}
