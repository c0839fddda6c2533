"""The worked example of CONTRIBUTING.md, run as it stands there."""

import re
import tomllib
from pathlib import Path

import pytest
import torch

import models.families  # noqa: F401  (registered before the example's family comes and goes)
from models import checkpoint, model
from models.card import Task
from tests.training.test_trainer import datasets, finish  # noqa: F401  (the small archives)
from training.recipe import Recipe
from training.trainer import Trainer

TEXT = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text()


@pytest.fixture
def family(monkeypatch):
    monkeypatch.setattr(model, "_families", dict(model._families))
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    exec(compile(code, "CONTRIBUTING.md", "exec"), {"__name__": "example"})


@pytest.mark.usefixtures("family")
def test_the_example_of_a_new_family_trains_and_serves(tmp_path):
    (toml,) = re.findall(r"```toml\n(.*?)```", TEXT, re.S)
    recipe = tomllib.loads(toml)
    recipe["data"]["size"], recipe["budget"]["steps"], recipe["config"] = 16, 3, {"size": 16}
    trainer = finish(Trainer(Recipe.model_validate(recipe), "hash", tmp_path / "run", torch.device("cpu")))
    card = trainer.export(tmp_path / "zoo")
    assert list(card.tasks) == [Task.SAMPLE]
    images = checkpoint.read(tmp_path / "zoo" / card.name).sample(torch.randn(2, 1, 16, 16))
    assert images.shape == (2, 1, 16, 16)
