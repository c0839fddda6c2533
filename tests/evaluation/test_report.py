"""The league table of the docs."""

import shutil
from pathlib import Path

from evaluation import report
from evaluation.trained import Trained
from models.card import Metric
from models.registry import SHIPPED, Registry

ZOO = Registry([SHIPPED])


def card(name, **figures):
    metrics = tuple(
        Metric(name=figure, value=value, count=10, reference="mnist/test", date="2026-01-01", command="none")
        for figure, value in figures.items()
    )
    return trained(ZOO["mnist-dcgan"].card.model_copy(update={"name": name, "metrics": metrics}))


def trained(card):
    return Trained(card, card.data, card.training, Path("nowhere"))


def test_models_of_one_data_set_stand_side_by_side_the_nearest_to_real_images_first():
    far = card("far", **{"frechet_distance[judge]": 9.0, "frechet_distance[judge].floor": 0.5, "nll_nats[ELBO]": 90.0})
    near = card("near", **{"frechet_distance[judge]": 1.0})
    table = report._league([far, near]).strip().splitlines()
    assert table[2] == "| model | frechet_distance ↓ | nll_nats ↓ |"
    assert table[4:] == ["| *real training images* | 0.5 |  |", "| [near](#near) | 1 |  |", "| [far](#far) | 9 | 90 |"]


def test_models_that_draw_nothing_have_no_place_in_it():
    translator = ZOO["facades-pix2pix"].card
    assert "facades" not in report._league([trained(translator)])


def test_featured_models_come_first_and_else_they_stand_by_name(tmp_path):
    for name, featured in (("a-dcgan", False), ("b-dcgan", True), ("c-dcgan", False), ("d-dcgan", True)):
        shutil.copytree(ZOO["mnist-dcgan"].folder, tmp_path / name)
        card(name).card.model_copy(update={"featured": featured}).write(tmp_path / name)
    assert [entry.card.name for entry in Registry([tmp_path])] == ["b-dcgan", "d-dcgan", "a-dcgan", "c-dcgan"]
