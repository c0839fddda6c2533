"""Tasks through ONNX Runtime: the same pictures as eager torch, or a word that it cannot be done."""

import pytest
import torch

from models import checkpoint
from models.card import Card
from models.model import Step, build
from models.operations import OPERATIONS, Rows
from models.runtime import TOLERANCE, CannotCompile, compile
from tests import zoo


@pytest.mark.parametrize("name", zoo.MODELS)
def test_every_task_gives_the_pictures_of_eager_torch(toy_zoo, name):
    card = Card.read(toy_zoo / name)
    model = checkpoint.read(toy_zoo / name, card)
    for task in card.tasks:
        operation = OPERATIONS[task]
        rows = operation.probe(model, card, 9)
        run = compile(model, operation, rows, 1)
        for count in (1, 2, 9):
            some = {key: tensor[:count] for key, tensor in rows.tensors.items()}
            with torch.inference_mode():
                wanted = operation.apply(model, some, **rows.options)
            assert (run(some) - wanted).abs().max() <= TOLERANCE


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
    monkeypatch.setattr(model, "sample", lambda latent: whole(latent) * (0.1 * len(latent)))
    with pytest.raises(CannotCompile, match="off by up to"):
        sampled(model)


def test_compiling_leaves_the_model_in_evaluation_mode():
    model = toy()
    sampled(model)
    assert not any(module.training for module in model.modules())
