"""Tasks through ONNX Runtime: the same pictures as eager torch, or a word that it cannot be done."""

from contextlib import suppress

import pytest
import torch

from models import checkpoint
from models.card import Card, Task
from models.model import Step, build
from tasks import compilation
from tasks.compilation import TOLERANCE, Assurance, CannotCompile, _exported, compile
from tasks.operation import Rows
from tasks.operations import OPERATIONS
from tests import zoo

FAST = {"dcgan", "cgan", "vae", "cls", "pix2pix", "cyclegan", "munit", "stargan", "conv", "encoder"}
"""Families (by the end of their name) whose pictures are one pass of a network."""


def compiled(toy_zoo, name):
    """Of each task of a toy model that can be compiled: the operation, typical rows, and the function."""
    card = Card.read(toy_zoo / name)
    model = checkpoint.read(toy_zoo / name, card)
    for task in card.tasks:
        operation = OPERATIONS[task]
        rows = operation.probe(model, card, 9)
        with suppress(CannotCompile):
            yield model, operation, rows, compile(model, operation, rows, 1)


@pytest.mark.parametrize("name", zoo.MODELS)
def test_every_compiled_task_gives_what_eager_torch_gives(toy_zoo, name):
    for model, operation, rows, run in compiled(toy_zoo, name):
        for count in (1, 2, 3):
            some = {key: tensor[:count] for key, tensor in rows.tensors.items()}
            with torch.inference_mode():
                wanted = operation.apply(model, some, **rows.options)
            assert (run(some) - wanted).abs().max() <= TOLERANCE, operation.task


@pytest.mark.parametrize("name", ["toy-gmm", "toy-gated-conv", "toy-context-encoder"])
def test_a_compiled_model_that_fills_in_takes_other_masks_than_it_was_tried_with(toy_zoo, name):
    for model, operation, rows, run in compiled(toy_zoo, name):
        if operation.task is Task.INPAINT:
            some = {key: tensor[:3] for key, tensor in rows.tensors.items()}
            some["mask"] = torch.bernoulli(torch.full_like(some["mask"], 0.3))
            with torch.inference_mode():
                assert (run(some) - operation.apply(model, some)).abs().max() <= TOLERANCE


@pytest.mark.parametrize("name", [name for name in zoo.MODELS if name.rpartition("-")[2] in FAST])
def test_the_first_task_of_networks_of_one_pass_is_compiled(toy_zoo, name):
    card = Card.read(toy_zoo / name)
    assert next(iter(card.tasks)) in {operation.task for _, operation, _, _ in compiled(toy_zoo, name)}


def test_what_was_checked_before_is_not_checked_again(toy_zoo, monkeypatch):
    """A restarted worker's first answer waits for the engine and one pass."""
    card = Card.read(toy_zoo / "toy-pix2pix")
    model, operation = checkpoint.read(toy_zoo / "toy-pix2pix", card), OPERATIONS[Task.TRANSLATE]
    rows = operation.probe(model, card, 2)
    with torch.inference_mode():
        wanted = operation.apply(model, rows.tensors, **rows.options)
    run = compile(model, operation, rows, 1, Assurance.WHOLLY)
    assert (run(rows.tensors) - wanted).abs().max() <= TOLERANCE
    monkeypatch.setattr(compilation, "TOLERANCE", -1.0)
    compile(model, operation, rows, 1, Assurance.WHOLLY)
    with pytest.raises(CannotCompile):
        compile(model, operation, rows, 1)


class Unsayable(torch.nn.Module):
    names = ["images"]

    def forward(self, images):
        return torch.special.zeta(images, images)


def test_what_onnx_cannot_say_is_told_in_a_line_without_the_whole_graph(capfd):
    with pytest.raises(torch.onnx.errors.UnsupportedOperatorError):
        _exported(Unsayable(), (torch.rand(2, 1, 4, 4),), False)
    assert "graph(" not in "".join(capfd.readouterr())


def toy():
    return build("dcgan", {"size": 28, "latent": 8, "width": 8}).eval()


def sampled(model):
    rows = Rows({"latent": torch.randn(3, 8)})
    return compile(model, OPERATIONS["sample"], rows, 1)


def test_a_task_of_many_steps_is_left_to_torch(monkeypatch):
    model = toy()
    monkeypatch.setattr(model, "sample", lambda latent: iter([Step(1, 1, latent)]))
    with pytest.raises(CannotCompile, match="many steps"):
        sampled(model)


def test_a_model_that_tracing_gets_wrong_is_left_to_torch(monkeypatch):
    """What depends on the values or the size of the batch is fixed by tracing; the check afterwards finds it."""
    model = toy()
    whole = model.generator
    monkeypatch.setattr(model, "sample", lambda latent: whole(latent) + 0.1 * len(latent))
    with pytest.raises(CannotCompile, match="off by up to"):
        sampled(model)


def test_a_model_whose_batch_tracing_fixes_is_left_to_torch(monkeypatch):
    model = toy()
    whole = model.generator
    monkeypatch.setattr(model, "sample", lambda latent: whole(latent) + torch.zeros(len(latent), 1, 1, 1))
    with pytest.raises(CannotCompile, match="in a batch of"):
        sampled(model)


@pytest.mark.parametrize("wrong", ["another batch", "another size"])
def test_what_the_first_answer_does_not_need_is_checked_when_it_comes(monkeypatch, wrong):
    """Tracing fixes the branch; what it was traced with stays right, and the rest is found out before it is served."""
    model = build("pix2pix", {"size": 32, "width": 2, "channels": 3}).eval()
    whole = model.translate

    def translate(images, direction):
        made = whole(images, direction)
        if wrong == "another batch":
            return made.flatten(0, 1)[: len(images) * 3].reshape(-1, *made.shape[1:])
        return made * (0.5 if images.shape[-1] > 32 else 1)

    monkeypatch.setattr(model, "translate", translate)
    rows = Rows({"images": torch.rand(3, 3, 32, 32) * 2 - 1}, {"direction": "AtoB"})
    told = []
    with torch.inference_mode():
        run = compile(model, OPERATIONS[Task.TRANSLATE], rows, 1, keep=told.append)
        one = {"images": rows.tensors["images"][:1]}
        assert (run(one) - whole(one["images"], "AtoB")).abs().max() <= TOLERANCE
        assert told == [Assurance.FIRST]
        others = rows.tensors["images"] if wrong == "another batch" else torch.zeros(1, 3, 32, 64)
        with pytest.raises(
            CannotCompile, match=f"(fails|off by up to .*) (in|at) {wrong.replace('another batch', 'a batch of 3')}"
        ):
            run({"images": others})
        assert told == [Assurance.FIRST]


def test_compiling_leaves_the_model_in_evaluation_mode():
    model = toy()
    sampled(model)
    assert not any(module.training for module in model.modules())
