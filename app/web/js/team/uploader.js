// Where a model is dropped: a zip of its folder, or the folder's files.

import { upload } from "../api.js";
import { h, icon } from "../dom.js";
import { problemView } from "../problem-view.js";

const TAKEN = ".zip,.json,.safetensors,.webp,.png";

/**
 * @param {(version: any) => Promise<void>} arrived called with the version that was uploaded
 * @param {AbortSignal} signal
 */
export function uploader(arrived, signal) {
  const file = h("input", { type: "file", id: "model-files", accept: TAKEN, multiple: true });
  const progress = h("progress", { hidden: true, "aria-label": "Upload" });
  const told = h("p", { class: "hint", role: "status" });
  const trouble = h("div", {});
  const zone = h(
    "div",
    { class: "drop" },
    icon("input"),
    h(
      "label",
      { for: "model-files" },
      "Upload a model: a zip of its folder, or card.json and model.safetensors together. It comes as a draft.",
    ),
    file,
  );
  zone.addEventListener("dragover", () => zone.classList.add("over"));
  for (const name of ["dragleave", "drop"]) zone.addEventListener(name, () => zone.classList.remove("over"));
  file.addEventListener("change", () => file.files.length && send(Array.from(file.files)));
  return h("div", { class: "field" }, zone, progress, told, trouble);

  async function send(files) {
    file.disabled = true;
    progress.hidden = false;
    trouble.replaceChildren();
    try {
      const version = await upload("/v1/models", { ...content(files), signal, onProgress });
      told.textContent = "";
      await arrived(version);
    } catch (error) {
      told.textContent = "";
      if (!signal.aborted) trouble.replaceChildren(problemView(error));
    } finally {
      file.disabled = false;
      file.value = "";
      progress.hidden = true;
    }
  }

  function onProgress(sent, total) {
    Object.assign(progress, { max: total, value: sent });
    const percent = Math.floor((100 * sent) / total);
    told.textContent = sent < total ? `Sending, ${percent} %` : "Sent. The server reads it whole before it is taken in.";
  }
}

/** One zip as it is; other files as a form. */
function content(files) {
  if (files.length === 1 && files[0].name.endsWith(".zip")) return { body: files[0], type: "application/zip" };
  const body = new FormData();
  for (const one of files) body.append("files", one, one.name);
  return { body };
}
