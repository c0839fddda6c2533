"""`easel evaluate`: what is measured anew, and what stays."""

import pytest

from evaluation import evaluate
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
