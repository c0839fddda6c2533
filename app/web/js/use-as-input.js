// Where a picture can go from here: every task of every model that takes one.

import { showDialog } from "./dialog.js";
import { h } from "./dom.js";
import { allModels, verb } from "./models.js";
import { carry, fetched } from "./pictures.js";
import { address } from "./router.js";

const TAKES_PICTURES = ["image", "images"];

/** Asks which task shall take the picture, and goes there. @param {{url: string}} image of a prediction */
export async function useAsInput(image) {
  const ways = (await allModels()).flatMap((model) =>
    Object.entries(model.takes)
      .filter(([, names]) => names.some((name) => TAKES_PICTURES.includes(name)))
      .map(([task]) => ({ model, task })),
  );
  const go = async ({ model, task }) => {
    carry(await fetched(image.url));
    dialog.close();
    location.hash = address(task === "translate" ? ["translate", model.id] : ["make", model.id, task]);
  };
  const dialog = showDialog(
    "Use this picture to…",
    h(
      "div",
      { class: "wrap" },
      ways.map((way) =>
        h("button", { class: "button", type: "button", onclick: () => go(way) }, `${verb(way.task)}: ${way.model.id}`),
      ),
    ),
    ways.length === 0 && h("p", { class: "hint" }, "No model of this server takes a picture."),
  );
}
