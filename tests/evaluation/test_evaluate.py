"""`easel evaluate`: what is measured anew, and what stays."""

from types import SimpleNamespace

import pytest
import torch

from evaluation import evaluate, figures
from models.card import Metric
from models.registry import SHIPPED, Registry
from training import data


def metric(name, value):
    return Metric(name=name, value=value, count=1, reference="r", date="2026-01-31", command="c")


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setattr(data, "load", lambda spec: None)
    monkeypatch.setattr(evaluate, "EvaluatedModel", lambda *about: None)
    kinds = {"samples": [metric("a", 1), metric("b", 2)], "likelihood": [metric("c", 3)]}
    monkeypatch.setattr(evaluate, "KINDS", {name: lambda about, found=found: found for name, found in kinds.items()})
    return Registry([SHIPPED])


def test_all_kinds_replace_what_was_measured_before(registry):
    found = evaluate.evaluate("mnist-dcgan", registry).metrics
    assert [each.name for each in found] == ["a", "b", "c"]


def test_with_some_kinds_the_figures_of_others_stay(registry):
    before = {each.name for each in registry["mnist-dcgan"].card.metrics}
    found = {each.name: each.value for each in evaluate.evaluate("mnist-dcgan", registry, ["likelihood"]).metrics}
    assert found.keys() == before | {"c"}
    assert found["c"] == 3


def test_an_unknown_kind_is_told(registry):
    with pytest.raises(ValueError, match="unknown kinds of figures: beauty; known: samples, likelihood"):
        evaluate.evaluate("mnist-dcgan", registry, ["beauty"])


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_faces_are_as_far_from_the_training_pictures_as_they_are_shifted(monkeypatch, shift):
    monkeypatch.setattr(figures, "face_detection_rate", lambda images: 1.0)
    real = torch.randn(4000, 3, 1, 1, generator=torch.Generator().manual_seed(0))
    about = SimpleNamespace(
        held_out=SimpleNamespace(spec=SimpleNamespace(set="faces")),
        card=SimpleNamespace(tasks={"sample": ()}),
        trained=SimpleNamespace(spec=SimpleNamespace(split="train")),
        samples=torch.randn(4000, 3, 1, 1, generator=torch.Generator().manual_seed(1)) + shift,
        real={"images": real[:10]},
        all_trained_on={"images": real},
        judge=lambda judges: SimpleNamespace(features=lambda x: x.flatten(1), name="judge", extractor="judge@0"),
        metric=lambda name, value, count, by, reference="faces/test": (name, value, count, reference),
    )
    *rates, distance, floor = figures.faces(about)
    assert [name for name, *_ in rates] == ["face_detection_rate", "face_detection_rate.floor"]
    assert distance == ("frechet_distance[judge]", pytest.approx(3 * shift**2, abs=0.1), 4000, "faces/train")
    assert floor == ("frechet_distance[judge].floor", pytest.approx(0, abs=0.01), 2000, "faces/train")
