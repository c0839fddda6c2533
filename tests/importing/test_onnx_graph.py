"""ONNX graphs of other code: each is served as ONNX Runtime alone runs it, or refused with a word on it."""

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from cli.main import app
from importing.errors import NotImportable
from importing.onnx_graph import import_graph
from importing.onnx_reader import GraphSettings
from jobs.prediction import Order
from models import noise, onnx_runtime
from models.card import Task
from models.registry import Registry
from pictures.framing import Frame, Framing
from tests import foreign_graphs as foreign
from tests.foreign_graphs import graph, written
from workers.engine import Engine
from workers.work import Work

ROUNDING = 0.5 + 1e-3
"""Levels of 255 by which a pixel is off when it is rounded."""


def imported(tmp_path, data, **settings):
    """The card, and an engine that serves it."""
    card = import_graph("mine", written(tmp_path, data), GraphSettings(**settings), tmp_path / "zoo")
    return card, Engine(Registry([tmp_path / "zoo"]), "cpu", 1)


def served(engine, task, pictures=(), frame=None, **fields):
    """The pictures of an answer, [H, W, C] each."""
    order = Order(model="mine", task=task, input=fields, frame=frame)
    (computed,) = engine.run([engine.prepare(Work(order, pictures))])
    return computed.output.images


def alone(data, *inputs):
    """What ONNX Runtime makes of the inputs in turn, one row at a time as people who try a graph run it."""
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    rows = [
        session.run(None, {name: each[row : row + 1] for name, each in zip(names, inputs, strict=True)})[0]
        for row in range(len(inputs[0]))
    ]
    return np.concatenate(rows).astype(np.float64)


def latents(count, *shape):
    return noise.normal(range(count), shape).numpy()


def picture(height=32, width=32, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


def agree(made, wanted):
    """Whether pictures are what is wanted of them, in levels of 255."""
    assert made.shape == wanted.shape
    assert wanted.std() > 5, "pictures of one colour show no difference"
    assert np.abs(made - np.clip(wanted, 0, 255)).max() <= ROUNDING


def test_a_dcgan_is_served(tmp_path):
    data = graph(foreign.DCGAN)
    card, engine = imported(tmp_path, data)
    assert (card.family, list(card.tasks), card.latent) == ("onnx-sampler", [Task.SAMPLE], (16, 1, 1))
    assert (card.image.height, card.image.width, card.image.channels) == (32, 32, 3)
    wanted = (alone(data, latents(5, 16, 1, 1)) + 1) * 127.5
    agree(served(engine, "sample", n=5, seed=0), wanted.transpose(0, 2, 3, 1))


def test_a_network_of_channels_last_is_served(tmp_path):
    data = graph(foreign.ChannelsLast)
    card, engine = imported(tmp_path, data, task="sample")
    assert "input_1" in " ".join(card.imported.inferred)
    agree(served(engine, "sample", n=3, seed=0), alone(data, latents(3, 16)) * 255)


def test_pictures_in_a_row_are_served(tmp_path):
    data = graph(foreign.Flat)
    card, engine = imported(tmp_path, data)
    assert (card.image.height, card.image.width, card.image.channels) == (28, 28, 1)
    agree(served(engine, "sample", n=3, seed=0), (alone(data, latents(3, 8)).reshape(3, 28, 28, 1) + 1) * 127.5)


def test_uniform_latents_are_quantiles_of_the_normal_ones_that_requests_tell(tmp_path):
    data = graph(foreign.Flat)
    _, engine = imported(tmp_path, data, law="uniform")
    given = 2 * torch.special.ndtr(torch.from_numpy(latents(3, 8)).double()) - 1
    assert given.abs().max() < 1
    wanted = (alone(data, given.float().numpy()).reshape(3, 28, 28, 1) + 1) * 127.5
    agree(served(engine, "sample", n=3, seed=0), wanted)


def test_labels_that_are_one_hot_are_served(tmp_path):
    data = graph(foreign.OneHot, ["z", "c"])
    card, engine = imported(tmp_path, data, classes=("ant", "bee", "cat", "dog", "elk"))
    assert (list(card.tasks), card.classes) == ([Task.CONDITIONAL], ("ant", "bee", "cat", "dog", "elk"))
    labels = np.eye(5, dtype=np.float32)[[3, 3]]
    agree(
        served(engine, "conditional", n=2, seed=0, label="dog"),
        alone(data, latents(2, 8), labels).transpose(0, 2, 3, 1),
    )


def test_labels_that_are_indices_are_served_and_counted_by_their_embedding(tmp_path):
    data = graph(foreign.Indexed, ["noise", "labels"])
    card, engine = imported(tmp_path, data)
    assert card.classes == tuple("0123456")
    wanted = (alone(data, latents(2, 8), np.array([6, 6])) + 1) * 127.5
    agree(served(engine, "conditional", n=2, seed=0, label=6), wanted.transpose(0, 2, 3, 1))


def test_a_translator_of_any_size_is_served_at_any_size(tmp_path):
    data = graph(foreign.AnySize)
    card, engine = imported(tmp_path, data, task="translate", domains=("day", "night"), size=(32, 32))
    assert (card.summary, card.directions) == ("day to night, imported", ("AtoB",))
    assert (card.native.multiple, card.native.least, card.native.default) == (4, 32, False)
    shown = picture()
    given = shown.transpose(2, 0, 1)[None].astype(np.float32) / 127.5 - 1
    wanted = ((alone(data, given) + 1) * 127.5).transpose(0, 2, 3, 1)
    agree(served(engine, "translate", [shown], image="upload:x", direction="AtoB"), wanted)
    large = picture(40, 52)
    given = large.transpose(2, 0, 1)[None].astype(np.float32) / 127.5 - 1
    frame = Framing("native", native=card.native).frame((52, 40), (32, 32))
    made = served(engine, "translate", [large], frame, image="upload:x", direction="AtoB", fit="native")
    agree(made, ((alone(data, given) + 1) * 127.5).transpose(0, 2, 3, 1))


def test_an_upscaler_is_served(tmp_path):
    data = graph(foreign.Twice)
    card, engine = imported(tmp_path, data, task="upscale")
    assert (card.scales, card.native.multiple, card.native.default) == ((2,), 1, True)
    shown = picture(33, 47)
    frame = Framing("native", native=card.native, scale=2).frame((47, 33), (64, 64))
    made = served(engine, "upscale", [shown], frame, image="upload:x", scale=2)
    agree(made, (alone(data, shown.transpose(2, 0, 1)[None].astype(np.float32) / 255) * 255).transpose(0, 2, 3, 1))


def test_a_style_network_of_levels_is_served(tmp_path):
    data = graph(foreign.Style)
    with pytest.raises(NotImportable, match=r"what black and white are in made; say it by --values"):
        imported(tmp_path, data, task="stylize", size=(32, 32))
    card, engine = imported(tmp_path, data, task="stylize", size=(32, 32), values="0,255")
    assert list(card.tasks) == [Task.STYLIZE]
    shown = picture()
    wanted = alone(data, shown.transpose(2, 0, 1)[None].astype(np.float32)).transpose(0, 2, 3, 1)
    agree(served(engine, "stylize", [shown], image="upload:x"), wanted)


def test_blue_first_is_turned_round_both_ways(tmp_path):
    data = graph(foreign.Style)
    _, engine = imported(tmp_path, data, task="stylize", size=(32, 32), values="0,255", bgr=True)
    shown = picture()
    given = shown[:, :, ::-1].transpose(2, 0, 1)[None].astype(np.float32)
    wanted = alone(data, given).transpose(0, 2, 3, 1)[:, :, :, ::-1]
    agree(served(engine, "stylize", [shown], image="upload:x"), wanted)


def test_grey_goes_in_as_luminance_and_another_size_comes_out(tmp_path):
    data = graph(foreign.Smaller)
    card, engine = imported(tmp_path, data, task="translate")
    assert (card.image.height, card.image.channels, card.native) == (32, 3, None)
    shown = picture()
    given = np.asarray(Image.fromarray(shown).convert("L"))[None, None].astype(np.float32) / 255
    wanted = (alone(data, given) * 255).transpose(0, 2, 3, 1)
    agree(served(engine, "translate", [shown], image="upload:x", direction="AtoB"), wanted)


def test_a_picture_of_another_size_than_goes_in_is_framed(tmp_path):
    """It is brought to the size of what went in, and lies where that lay."""
    data = graph(foreign.Smaller)
    _, engine = imported(tmp_path, data, task="translate")
    order = Order(
        model="mine",
        task=Task.TRANSLATE,
        input={"image": "upload:x", "direction": "AtoB", "fit": "contain"},
        frame=Frame.of((64, 32), (32, 32), "contain", None),
    )
    (computed,) = engine.run([engine.prepare(Work(order, [picture(16, 32)]))])
    joined = order.frame.join(list(computed.output.images))
    assert computed.output.images.shape == (1, 16, 16, 3)
    assert joined.shape == (16, 32, 3)
    assert order.frame.restore(joined).shape == (32, 64, 3)


def test_bytes_go_in_and_come_out(tmp_path):
    data = graph(foreign.Bytes)
    card, engine = imported(tmp_path, data, task="reconstruct")
    assert list(card.tasks) == [Task.RECONSTRUCT]
    shown = picture(28, 28, 1)
    agree(served(engine, "reconstruct", [shown], image="upload:x"), alone(data, shown[None]))


def test_a_translator_to_domains_is_served(tmp_path):
    data = graph(foreign.Domains, ["image", "target"])
    card, engine = imported(tmp_path, data, task="translate", classes=("black", "blond", "brown"))
    assert card.tasks == {Task.TRANSLATE: ("image", "target", "fit", "side")}
    shown = picture()
    given = shown.transpose(2, 0, 1)[None].astype(np.float32) / 127.5 - 1
    wanted = (alone(data, given, np.array([[0, 1, 0]], np.float32)) + 1) * 127.5
    agree(served(engine, "translate", [shown], image="upload:x", target="blond"), wanted.transpose(0, 2, 3, 1))


@pytest.mark.parametrize("batch", [1, 4])
def test_a_graph_of_a_fixed_batch_takes_any_number_in_pieces(tmp_path, batch):
    data = graph(foreign.DCGAN, batch=batch)
    card, engine = imported(tmp_path, data)
    assert card.config["batch"] == batch
    whole = np.resize(latents(6, 16, 1, 1), (8, 16, 1, 1))
    session = onnxruntime.InferenceSession(data)
    made = [session.run(None, {"input_1": whole[start : start + batch]})[0] for start in range(0, 8, batch)]
    wanted = (np.concatenate(made)[:6].astype(np.float64) + 1) * 127.5
    agree(served(engine, "sample", n=6, seed=0), wanted.transpose(0, 2, 3, 1))


def test_rows_that_change_each_other_go_one_by_one(tmp_path):
    """Batch norm in training mode goes by the whole batch."""

    class ByBatch(foreign.DCGAN):
        def forward(self, z):
            made = self.net(z)
            return torch.tanh(3 * made / made.std())

    data = graph(ByBatch)
    card, engine = imported(tmp_path, data)
    assert card.config["batch"] == 1
    agree(
        served(engine, "sample", n=3, seed=0),
        ((alone(data, latents(3, 16, 1, 1)) + 1) * 127.5).transpose(0, 2, 3, 1),
    )


def test_pictures_are_the_same_however_they_are_batched(tmp_path):
    _, engine = imported(tmp_path, graph(foreign.DCGAN))
    together = served(engine, "sample", n=7, seed=0)
    for seed in (0, 3, 6):
        assert np.array_equal(served(engine, "sample", n=1, seed=seed)[0], together[seed])


def test_the_command_asks_for_what_it_cannot_infer_and_says_what_it_found(tmp_path):
    path = written(tmp_path, graph(foreign.OneHot), "gan.onnx")
    command = ["import", str(path), "--name", "my-gan", "--zoo", str(tmp_path / "zoo")]
    told = CliRunner().invoke(app, command)
    assert told.exit_code == 1
    assert "both input_1 and input_2 may be its latent" in told.output
    told = CliRunner().invoke(app, [*command, "--input", "latent=input_1", "--input", "label=input_2"])
    assert told.exit_code == 0, told.output
    assert "found: 5 classes (input_2), one-hot" in told.output
    assert "assumed: latents are normal" in told.output
    assert "my-gan: Pictures of classes, imported" in told.output


def test_without_a_cuda_of_its_own_onnx_runtime_says_that_it_runs_on_the_cpu(caplog):
    session = onnx_runtime.guarded_session(graph(foreign.Flat), torch.device("cuda:1"), False)
    assert session.get_providers() == ["CPUExecutionProvider"]
    assert "a graph runs on the CPU: this ONNX Runtime has no CUDA; install onnxruntime-gpu" in caplog.text


def test_with_cuda_the_gpu_of_the_model_is_asked_for(monkeypatch, caplog):
    asked = []

    class Session:
        def __init__(self, graph, options, providers, **more):
            asked.extend(providers)

        def get_providers(self):
            return [each if isinstance(each, str) else each[0] for each in asked]

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [onnx_runtime.CUDA, "CPUExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    onnx_runtime.guarded_session(b"", torch.device("cuda:1"), False)
    assert asked == [(onnx_runtime.CUDA, {"device_id": 1}), "CPUExecutionProvider"]
    assert not caplog.text
    monkeypatch.setattr(Session, "get_providers", lambda self: ["CPUExecutionProvider"])
    onnx_runtime.guarded_session(b"", torch.device("cuda:1"), False)
    assert "could not start CUDA" in caplog.text
