"""The docs' page of translations."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from evaluation import gallery
from evaluation.upscaling import bicubic
from models import checkpoint
from models.card import Card
from models.registry import Registry


def held_out(paired=False):
    """Twenty pictures of A, and of B their negatives."""
    pixels = torch.randint(0, 256, (20, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return SimpleNamespace(fields={"a": pixels, "b": 255 - pixels}, paired=paired)


@pytest.mark.parametrize(
    ("name", "paired", "columns"), [("toy-cyclegan", False, ("output", "back")), ("toy-pix2pix", True, ("output",))]
)
def test_a_sheet_shows_input_output_cycle_and_truth(toy_zoo, name, paired, columns):
    entry = Registry([toy_zoo])[name]
    *_, strip = gallery.strips(entry.card, paired)
    assert strip.columns == columns
    assert strip.title == "BtoA: right to left"
    source = held_out(paired=paired)
    sheet = gallery.draw(checkpoint.read(entry.folder, entry.card), entry.card, strip, source)
    cells = [sheet[:32, 34 * column : 34 * column + 32] for column in range(3)]
    assert sheet.shape == (34 * gallery.ROWS - 2, 34 * 3 - 2, 3)
    assert np.array_equal(cells[0], source.fields["b"][2].permute(1, 2, 0).numpy())
    assert not np.array_equal(cells[1], cells[0])
    truth = source.fields["a"][2].permute(1, 2, 0).numpy()
    assert np.array_equal(cells[2], truth) == paired


def test_a_model_with_targets_is_asked_for_each_and_one_with_styles_for_several(toy_zoo):
    card = Registry([toy_zoo])["toy-cyclegan"].card
    several = card.model_copy(update={"directions": ("AtoB",), "tasks": {"translate": ("image", "n", "seed")}})
    (strip,) = gallery.strips(several, paired=True)
    assert (strip.columns, strip.truth) == (("style 1", "style 2", "style 3"), "b")
    starry = card.model_copy(
        update={"directions": (), "classes": ("x", "y"), "tasks": {"translate": ("image", "target")}}
    )
    (strip,) = gallery.strips(starry, paired=False)
    assert (strip.asked, strip.columns) == ([{"target": "x"}, {"target": "y"}], ("x", "y"))


def test_the_page_names_every_sheet(toy_zoo, tmp_path, monkeypatch):
    shipped = Registry([gallery.Path(gallery.checkpoint.__file__).parent / "zoo"])
    card = Registry([toy_zoo])["toy-cyclegan"].card
    ours = shipped["horse2zebra-cyclegan"].card
    trained = card.model_copy(update={"training": ours.training, "data": ours.data})
    folder = tmp_path / "zoo" / card.name
    folder.mkdir(parents=True)
    trained.write(folder)
    (folder / "model.safetensors").write_bytes((toy_zoo / card.name / "model.safetensors").read_bytes())
    monkeypatch.setattr(gallery.data, "load", lambda spec: held_out())
    gallery.write(Registry([tmp_path / "zoo", toy_zoo]), tmp_path)
    page = (tmp_path / "gallery.md").read_text()
    assert [Card.read(folder).name in page, "toy-pix2pix" in page] == [True, False]
    for direction in ("atob", "btoa"):
        assert f"](gallery/toy-cyclegan-{direction}.webp)" in page
        sheet = Image.open(io.BytesIO((tmp_path / "gallery" / f"toy-cyclegan-{direction}.webp").read_bytes()))
        assert sheet.size == (34 * 3 - 2, 34 * gallery.ROWS - 2)


def test_enlarged_pictures_stand_between_bicubic_interpolation_and_the_truth():
    generator = torch.Generator().manual_seed(0)
    pictures = [torch.randint(0, 256, (3, 70, 61 + i), dtype=torch.uint8, generator=generator) for i in range(19)]
    source = SimpleNamespace(fields={"images": pictures})
    black = lambda images, scale: torch.full_like(bicubic(images, scale), -1)  # noqa: E731
    sheet = gallery.enlarged([black, bicubic], source, 2)
    cells = [sheet[:62, 64 * column : 64 * column + 62] for column in range(4)]
    assert sheet.shape == (64 * gallery.ROWS - 2, 64 * 4 - 2, 3)
    assert np.array_equal(cells[0], cells[2]) and not cells[1].any()
    truth = pictures[1][:, 4:66].permute(1, 2, 0).numpy()
    assert np.array_equal(cells[3], truth)


def test_a_sheet_of_styles_has_a_column_for_each_class_and_one_of_dreams_for_each_layer(toy_zoo):
    registry = Registry([toy_zoo])
    entry = registry["toy-fast-style"]
    (strip,) = gallery.strips(entry.card, paired=False)
    source = SimpleNamespace(fields={"images": held_out().fields["a"]}, paired=False)
    sheet = gallery.draw(checkpoint.read(entry.folder, entry.card), entry.card, strip, source)
    assert sheet.shape == (34 * gallery.STYLIZED - 2, 34 * 4 - 2, 3)
    assert not np.array_equal(sheet[:32, 34:66], sheet[:32, 68:100])
    card = registry["toy-deepdream"].card
    (dreams,) = gallery.strips(card, paired=False)
    assert dreams.columns == (*card.layers, *gallery.DREAMT_OF)
