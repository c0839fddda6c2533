"""The shipped models: complete, intact, and able to do what their cards say."""

import shutil

import numpy as np
import pytest
import torch

from models import checkpoint
from models.card import CARD_FILE, WEIGHTS_FILE, Card
from models.model import final_images
from models.registry import SHIPPED, Registry
from tasks.inputs import input_model
from tasks.operation import to_pixels
from tasks.operations import OPERATIONS, tasks_of
from training import recipe

REGISTRY = Registry([SHIPPED])
NAMES = [entry.card.name for entry in REGISTRY]


def test_the_catalogue_is_there():
    expected = {"mnist-dcgan", "mnist-cgan", "mnist-vae", "facades-pix2pix", "horse2zebra-cyclegan"}
    assert expected <= {entry.card.name for entry in REGISTRY.served()}
    assert not REGISTRY.broken
    assert sum(entry.card.weights.bytes for entry in REGISTRY) < 150e6


@pytest.mark.parametrize("name", NAMES)
def test_a_card_is_complete(name):
    card = REGISTRY[name].card
    assert card.training is not None
    assert "dirty" not in card.training.commit
    assert recipe.load(name)[1] == card.training.recipe_sha256, "the recipe is not the one it was trained by"
    assert card.data.sha256
    assert card.data.licence
    assert card.metrics
    assert all(metric.count and metric.command and metric.date for metric in card.metrics)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_does_what_its_card_says(name):
    entry = REGISTRY[name]
    model = checkpoint.read(entry.folder)
    assert (tasks_of(model), model.latent_shape) == (entry.card.tasks, entry.card.latent)
    for task in entry.card.tasks:
        operation = OPERATIONS[task]
        rows = operation.probe(model, entry.card, 2)
        with torch.inference_mode():
            result = final_images(operation.apply(model, rows.tensors, **rows.options))
        assert result.isfinite().all()
        assert input_model(entry.card, task).model_json_schema()["properties"]
        if not task.pictured:
            assert len(result) == 2
            continue
        images, times = to_pixels(result), rows.options.get("scale", 1)
        height, width = times * entry.card.image.height, times * entry.card.image.width
        assert images.shape == (2, height, width, entry.card.image.channels)
        assert images.std() > 10, "a flat picture"
        assert not np.array_equal(images[0], images[1])


def test_weights_that_are_not_the_cards_are_refused(tmp_path):
    entry = REGISTRY["mnist-cgan"]
    entry.card.write(tmp_path)
    (tmp_path / WEIGHTS_FILE).write_bytes((entry.folder / WEIGHTS_FILE).read_bytes()[:-1] + b"\0")
    with pytest.raises(checkpoint.BadCheckpoint, match="sha256"):
        checkpoint.read(tmp_path)


def test_one_bad_card_hides_no_other(tmp_path):
    for name in ("broken", "good"):
        (tmp_path / name).mkdir()
    (tmp_path / "broken" / CARD_FILE).write_text("{")
    shutil.copytree(REGISTRY["mnist-cgan"].folder, tmp_path / "good", dirs_exist_ok=True)
    found = Registry([tmp_path])
    assert [entry.card.name for entry in found] == ["mnist-cgan"]
    assert list(found.broken) == [tmp_path / "broken"]


def test_a_card_refuses_fields_it_does_not_know():
    text = REGISTRY["mnist-cgan"].card.model_dump_json()
    with pytest.raises(ValueError, match="surprise"):
        Card.model_validate_json(text[:-1] + ', "surprise": 1}')
