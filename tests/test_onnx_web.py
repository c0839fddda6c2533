"""What `easel export --onnx` writes, in onnxruntime-web: WebAssembly in Node, as browsers run it (`make onnx-web`)."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from models import checkpoint
from models.card import Card, Task
from tasks.onnx_export import exported
from tasks.operations import OPERATIONS

PACKAGE = Path(__file__).parents[1] / ".easel/onnx-web/node_modules/onnxruntime-web"
EXPORTED = {
    "toy-dcgan": "sample",
    "toy-cgan": "conditional",
    "toy-acgan": "conditional",
    "toy-vae": "sample",
    "toy-glow": "sample",
    "toy-gan-int-cls": "text",
    "toy-pix2pix": "translate",
    "toy-cyclegan": "translate",
    "toy-munit": "translate",
    "toy-stargan": "translate",
    "toy-context-encoder": "inpaint",
    "toy-gated-conv": "inpaint",
    "toy-edsr": "upscale",
    "toy-fast-style": "stylize",
    "toy-adain": "stylize",
}
"""Toy models, and a task of each that is one pass of a network."""


def test_graphs_make_in_webassembly_what_they_make_here(toy_zoo, tmp_path):
    node = shutil.which("node")
    if node is None or not PACKAGE.is_dir():
        pytest.skip("there is no Node, or no onnxruntime-web (make onnx-web)")
    wanted = {}
    for name, task in EXPORTED.items():
        card = Card.read(toy_zoo / name)
        model = checkpoint.read(toy_zoo / name, card)
        graph = exported(model, card, Task(task))
        session = onnxruntime.InferenceSession(graph)
        rows = OPERATIONS[Task(task)].probe(model, card, 2).tensors
        given = {each.name: rows[each.name].numpy() for each in session.get_inputs()}
        wanted[name] = session.run(None, given)[0]
        told = {
            key: {"type": str(array.dtype), "dims": array.shape, "data": array.flatten().tolist()}
            for key, array in given.items()
        }
        (tmp_path / f"{name}.onnx").write_bytes(graph)
        (tmp_path / f"{name}.json").write_text(json.dumps(told))
    script = Path(__file__).parent / "onnx_web.mjs"
    ran = subprocess.run([node, script, PACKAGE, tmp_path], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    for name, here in wanted.items():
        made = json.loads((tmp_path / f"{name}.made.json").read_text())
        there = np.array(made["data"], np.float32).reshape(made["dims"])
        assert there.shape == here.shape
        assert np.abs(there - here).max() < 1e-4, name
