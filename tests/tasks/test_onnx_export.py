"""What `easel export` writes: graphs that other programs run, and that come back as the same model."""

import json
import re

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from typer.testing import CliRunner

from cli.main import app
from importing.onnx_graph import import_graph
from importing.onnx_reader import GraphSettings
from jobs.prediction import Order
from models import checkpoint
from models.card import Card, Task
from models.model import final_images
from models.registry import Registry
from tasks.compilation import TOLERANCE, CannotCompile
from tasks.onnx_export import exported
from tasks.operations import OPERATIONS
from tests import foreign_graphs as foreign
from tests import zoo
from workers.engine import Engine
from workers.work import Work

ROUND = {
    "toy-dcgan": ("sample", {"n": 3, "seed": 0}),
    "toy-cgan": ("conditional", {"n": 3, "seed": 0, "label": 4}),
    "toy-vae": ("sample", {"n": 2, "seed": 0}),
    "toy-glow": ("sample", {"n": 2, "seed": 0}),
    "toy-pix2pix": ("translate", {"direction": "BtoA"}),
    "toy-cyclegan": ("translate", {"direction": "AtoB"}),
    "toy-stargan": ("translate", {"target": 2}),
    "toy-faces": ("translate", {"targets": [0, 3]}),
    "toy-edsr": ("upscale", {"scale": 4}),
}
"""Toy models that go out and come back, and what is asked of them."""
OUT_ONLY = {"toy-munit": "translate", "toy-gated-conv": "inpaint", "toy-vae": "encode", "toy-fast-style": "stylize"}
"""Tasks that go out and cannot come back."""


def loaded(folder, name):
    card = Card.read(folder / name)
    return checkpoint.read(folder / name, card), card


def pictures(engine, model, task, fields):
    """What a model answers, in levels of 255."""
    shown = np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    given = [] if "seed" in fields else [shown]
    fields = {**fields, **({"image": "upload:x"} if given else {})}
    order = Order(model=model, task=task, input=fields)
    (computed,) = engine.run([engine.prepare(Work(order, given))])
    return computed.output.images


@pytest.mark.parametrize("name", ROUND)
def test_a_model_that_goes_out_comes_back_without_a_word_and_makes_the_same(toy_zoo, tmp_path, name):
    task, fields = ROUND[name]
    model, card = loaded(toy_zoo, name)
    file = tmp_path / f"{name}.onnx"
    file.write_bytes(exported(model, card, Task(task), fields.get("direction"), fields.get("scale")))
    back = import_graph(name, file, GraphSettings(), tmp_path / "zoo")
    assert (back.licence, back.image, back.native, back.latent) == (card.licence, card.image, card.native, card.latent)
    made = pictures(Engine(Registry([tmp_path / "zoo"]), "cpu", 1), name, task, fields)
    wanted = pictures(Engine(Registry([toy_zoo]), "cpu", 1), name, task, fields)
    assert wanted.std() > 5
    assert made.shape == wanted.shape
    assert np.abs(made.astype(int) - wanted).max() <= 1  # where rounding meets a half


def test_a_reconstruction_goes_out_whole(toy_zoo, tmp_path):
    model, card = loaded(toy_zoo, "toy-vae")
    file = tmp_path / "toy-vae.onnx"
    file.write_bytes(exported(model, card, Task.RECONSTRUCT))
    back = import_graph("back", file, GraphSettings(), tmp_path / "zoo")
    assert (back.family, list(back.tasks)) == ("onnx-reconstructor", [Task.RECONSTRUCT])
    images = torch.rand(2, 1, 28, 28) * 2 - 1
    with torch.inference_mode():
        wanted = model.decode(model.encode(images))
        made = checkpoint.read(tmp_path / "zoo" / "back").reconstruct(images)
    assert (made - wanted).abs().max() < TOLERANCE


@pytest.mark.parametrize(("name", "task"), OUT_ONLY.items())
def test_other_tasks_go_out_alone_and_say_what_they_take(toy_zoo, name, task):
    model, card = loaded(toy_zoo, name)
    graph = onnx.load_from_string(exported(model, card, Task(task)))
    assert all(each.doc_string for each in graph.graph.input)
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    rows = OPERATIONS[task].probe(model, card, 2)
    given = {each.name: rows.tensors[each.name].numpy() for each in session.get_inputs()}
    with torch.inference_mode():
        wanted = final_images(OPERATIONS[task].apply(model, rows.tensors, **rows.options)).numpy()
    assert np.abs(session.run(None, given)[0] - wanted).max() <= TOLERANCE


def test_a_graph_says_what_it_is(toy_zoo):
    model, card = loaded(toy_zoo, "toy-cgan")
    graph = onnx.load_from_string(exported(model, card, Task.CONDITIONAL))
    told = {each.key: each.value for each in graph.metadata_props}
    assert told["name"] == "toy-cgan"
    assert (told["task"], told["licence"], told["version"]) == ("conditional", "none", card.weights.sha256)
    assert (told["values"], told["layout"], told["order"]) == ("-1,1", "nchw", "rgb")
    assert json.loads(told["classes"]) == list(zoo.DIGITS)
    assert [each.name for each in graph.graph.input] == ["latent", "labels"]
    assert [each.name for each in graph.graph.output] == ["result"]
    onnx.checker.check_model(graph, full_check=True)
    assert {node.domain for node in graph.graph.node} == {""}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("toy-diffusion", "many steps"),
        ("toy-pixelcnn", "many steps"),
        ("toy-gatys", "more than a network of torch's"),
        ("toy-infogan", "ONNX cannot say it: .*special_ndtr"),
    ],
)
def test_what_no_graph_does_is_refused_with_a_word_on_it(toy_zoo, name, reason):
    model, card = loaded(toy_zoo, name)
    with pytest.raises(CannotCompile, match=reason):
        exported(model, card, next(iter(card.tasks)))


def test_a_graph_that_came_in_goes_out_as_it_was(tmp_path):
    data = foreign.graph(foreign.Style)
    settings = GraphSettings(task="stylize", values="0,255", bgr=True, size=(32, 32))
    import_graph("mine", foreign.written(tmp_path, data), settings, tmp_path / "zoo")
    model, card = loaded(tmp_path / "zoo", "mine")
    again = exported(model, card, Task.STYLIZE)
    told = {each.key: each.value for each in onnx.load_from_string(again).metadata_props}
    assert (told["values"], told["order"]) == ("0,255", "bgr")
    given = {"input_1": np.random.default_rng(0).random((1, 3, 32, 32), np.float32)}
    made = [onnxruntime.InferenceSession(each).run(None, given)[0] for each in (data, again)]
    assert np.array_equal(*made)
    back = import_graph("again", foreign.written(tmp_path, again), GraphSettings(), tmp_path / "zoo")
    assert back.config == card.config


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_the_command_writes_a_file_and_says_which(toy_zoo, tmp_path, monkeypatch):
    monkeypatch.setenv("EASEL_MODELS", str(toy_zoo))
    from core.settings import get_settings

    get_settings.cache_clear()
    file = tmp_path / "cgan.onnx"
    told = run("export", "toy-cgan", "--onnx", "-o", file)
    assert told.exit_code == 0, told.output
    assert re.search(rf"{file}: conditional of toy-cgan@[0-9a-f]{{64}}", told.output.replace("\n", ""))
    assert onnx.load(file).graph.name == "toy-cgan"
    for words, reason in (
        (("toy-cgan",), "--onnx is the only way out"),
        (("nobody", "--onnx"), "there is no model 'nobody'"),
        (("toy-cgan", "--onnx", "--task", "dream"), "has no task dream; it has conditional"),
        (("toy-edsr", "--onnx", "--scale", "9"), "there is no scale 9; there is 2, 3, 4"),
        (("toy-pix2pix", "--onnx", "--direction", "AtoB"), "there is no direction AtoB; there is BtoA"),
        (("toy-diffusion", "--onnx"), "cannot be exported for conditional: it takes many steps"),
    ):
        told = run("export", *words, "-o", file)
        assert told.exit_code == 1
        assert reason in told.output
    get_settings.cache_clear()
