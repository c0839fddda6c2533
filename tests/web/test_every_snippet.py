"""Every model's every task: the form opens with what can be asked for, and its code runs as pasted in all languages."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import pytest

from models.card import Task
from models.registry import SHIPPED, Registry
from tasks.inputs import input_model
from tests.conftest import pixels_of

COLLECT = """async (chosen) => {
    const [{ allModels, model }, { openingValues, openingPictures }, { snippets, filesOf }] = await Promise.all(
        ["models", "opening", "snippets"].map((name) => import(`/web/js/${name}.js`)));
    await import("/web/js/schema-form.js");
    const few = { n: 2, frames: 2, steps: 2, octaves: 1 };
    const asked = [];
    for (const { id } of (await allModels()).filter((one) => chosen.includes(one.id))) {
        const found = await model(id);
        for (const [task, schema] of Object.entries(found.inputs)) {
            const form = document.createElement("schema-form");
            document.body.append(form);
            const less = Object.fromEntries(Object.entries(few).filter(([name]) => name in schema.properties));
            form.load(schema, { ...openingValues(found, task), ...less }, { pictures: found.examples });
            form.open(await openingPictures(found, task, null));
            await form.settled();
            const { values, pictures } = form;
            const starts = (schema["x-one-of"] ?? []).flat();
            const drawn = "seed" in schema.properties ? { seed: 7 } : {};
            const orders = [{ model: id, task, input: { ...values, ...drawn }, output: undefined }];
            if (["sample", "conditional", "text"].includes(task) && "latent" in schema.properties) {
                const { n, ...rest } = values;
                const size = schema.properties.latent.anyOf[0].minItems;
                orders.push({ model: id, task, input: { ...rest, latent: Array(size).fill(0.25) }, output: undefined });
            }
            if ("cycle" in schema.properties)
                orders.push({ model: id, task, input: { ...values, ...drawn, cycle: true, heat_map: true } });
            for (const order of orders) {
                const files = await Promise.all(filesOf(pictures).map(async ({ field, name, url, blob }) => {
                    const bytes = new Uint8Array(await blob.arrayBuffer());
                    const text = Array.from(bytes, (one) => String.fromCharCode(one)).join("");
                    return { field, name, url, data: btoa(text) };
                }));
                asked.push({ order, files, code: snippets(location.origin, order, pictures, false) });
            }
            form.remove();
        }
    }
    return asked;
}"""
PYTHON = """
import os, sys, traceback
for folder in sorted(os.listdir(".")):
    os.chdir(folder)
    try:
        exec(compile(open("code").read(), folder, "exec"), {"__name__": "__main__"})
    except Exception as error:
        print(folder, error, getattr(error, "read", bytes)().decode(), file=sys.stderr)
    os.chdir("..")
"""
NODE = """
import { readdir } from "node:fs/promises";
const top = process.cwd();
for (const folder of (await readdir(".")).sort()) {
    process.chdir(`${top}/${folder}`);
    await import(`${top}/${folder}/code.mjs`).catch((error) => console.error(folder, error.message));
}
"""
RUN = {
    "curl": ["bash", "-c", 'for each in */; do (cd "$each" && bash code) || echo "$each" >&2; done'],
    "Python": [sys.executable, "-c", PYTHON],
    "JavaScript": ["node", "--input-type=module", "-e", NODE],
    "OpenAI SDK": [sys.executable, "-W", "ignore", "-c", PYTHON],
}
NUMBERS = ("encode", "score", "classify")


@dataclass
class Asked:
    """One request of the page, the files that it sends, and its code by language."""

    order: dict
    files: list[dict]
    code: dict[str, str]
    answers: dict[str, httpx.Response] = field(default_factory=dict)

    @property
    def alone(self) -> dict:
        """The order without what the page shows besides."""
        return {name: value for name, value in self.order["input"].items() if name not in ("cycle", "heat_map")}

    def answer(self, client: httpx.Client, accept: str) -> httpx.Response:
        """What the server answers to the same request when it is sent by hand; asked once."""
        if accept in self.answers:
            return self.answers[accept]
        request = json.dumps({"model": self.order["model"], "task": self.order["task"], "input": self.alone})
        files = [(one["field"], (one["name"], base64.b64decode(one["data"]))) for one in self.files]
        sent: dict = {"files": [("request", (None, request)), *files]} if files else {"content": request}
        headers = {"Accept": accept, "Prefer": "wait=60", **({} if files else {"Content-Type": "application/json"})}
        answer = client.post("/v1/predictions", headers=headers, timeout=60, **sent)
        assert answer.is_success, (self.order, answer.text)
        self.answers[accept] = answer
        return answer


@pytest.fixture(scope="module")
def asked(browser, easel, toy_zoo) -> list[Asked]:
    """A request of each task of each toy model, as its form opens."""
    page = browser.new_page()
    page.goto(f"{easel.url}/#/queue")
    found = page.evaluate(COLLECT, [path.name for path in toy_zoo.iterdir()])
    page.close()
    return [Asked(**one) for one in found]


def test_every_task_of_every_model_is_asked_for(asked, client, toy_zoo):
    models = [client.get(f"/v1/models/{path.name}").json() for path in toy_zoo.iterdir()]
    pairs = {(model["id"], task) for model in models for task in model["tasks"]}
    assert {(one.order["model"], one.order["task"]) for one in asked} == pairs


@pytest.mark.parametrize("language", RUN)
def test_it_runs_as_pasted(asked, client, language, tmp_path: Path):
    if language == "JavaScript" and shutil.which("node") is None:
        pytest.skip("node is not installed")
    chosen = [one for one in asked if language in one.code]
    for place, one in enumerate(chosen):
        folder = tmp_path / f"{place:03}"
        folder.mkdir()
        (folder / ("code.mjs" if language == "JavaScript" else "code")).write_text(one.code[language])
        for file in one.files:
            if file["url"] is None:
                (folder / file["name"]).write_bytes(base64.b64decode(file["data"]))
    done = subprocess.run(RUN[language], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for place, one in enumerate(chosen):
        folder, name = tmp_path / f"{place:03}", one.order["model"]
        if one.order["task"] in NUMBERS:
            told = json.loads((folder / f"{name}.json").read_text())
            wanted = one.answer(client, "application/json").json()
            assert told["output"] == wanted["output"], one.order
        elif language == "OpenAI SDK":
            first = one.answer(client, "application/json").json()["output"][0]
            wanted = pixels_of(client.get(first["url"]).content)
            assert np.array_equal(pixels_of((folder / f"{name}-0.png").read_bytes()), wanted), one.order
        else:
            wanted = pixels_of(one.answer(client, "image/png").content)
            assert np.array_equal(pixels_of((folder / f"{name}.png").read_bytes()), wanted), one.order


def test_openais_sdk_is_offered_wherever_its_api_has_such_a_request(asked):
    offered = {one.order["task"] for one in asked if "OpenAI SDK" in one.code}
    assert offered == {"sample", "conditional", "text", "translate", "inpaint", "vary"}


def test_forms_of_the_shipped_models_open_with_what_their_cards_take(browser, easel):
    shipped = {entry.card.name: entry.card for entry in Registry([SHIPPED]).served()}
    page = browser.new_page()
    page.goto(f"{easel.url}/#/queue")
    found = [Asked(**one) for one in page.evaluate(COLLECT, list(shipped))]
    page.close()
    for one in found:
        pictures: dict = {}
        for file in one.files:
            pictures.setdefault(file["field"], []).append("picture:0")
        given = {name: some if name == "images" else some[0] for name, some in pictures.items()}
        input_model(shipped[one.order["model"]], Task(one.order["task"])).model_validate({**one.alone, **given})
        assert not [language for language, code in one.code.items() if "undefined" in code], one.order
    pairs = {(one.order["model"], one.order["task"]) for one in found}
    assert pairs == {(name, task.value) for name, card in shipped.items() for task in card.tasks}
