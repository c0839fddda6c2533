"""Text: how it is read, what of it is held out of training; and drawings, which are made of pictures."""

import json
import zipfile

import pytest
import torch

from models.model import build
from models.nn.edges import edges
from models.nn.text import TextEncoder, bags
from models.text import GRAMS, grams, words
from models.training import captions


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Smiling cat-face, WITH tears!", ["smiling", "cat", "face", "with", "tears"]),
        ("Piñata 2", ["pinata", "2"]),
        ("苹果 🍎 \x00", []),
    ],
)
def test_words_are_what_is_left_of_case_accents_and_signs(text, found):
    assert words(text) == found


def test_what_looks_alike_is_read_alike():
    def shared(first, second):
        first, second = set(grams(first)), set(grams(second))
        return len(first & second) / len(first | second)

    assert grams("red apple") == grams("APPLE, red")
    assert shared("strawberry", "strawberries") > 0.4 > shared("strawberry", "fire engine")
    assert all(0 <= place < GRAMS for place in grams("red apple"))


def test_embedded_texts_lie_on_the_sphere_and_do_not_depend_on_each_other():
    encoder = TextEncoder(8).eval()
    together = encoder(bags(["red apple", "x", "a very long text about nothing"]))
    assert torch.allclose(together.norm(dim=1), torch.ones(3), atol=1e-5)
    assert torch.allclose(encoder(bags(["x"]))[0], together[1], atol=1e-6)


def test_what_a_text_makes_depends_on_the_text():
    model = build("gan-int-cls", {"size": 16, "latent": 4, "width": 8}).eval()
    same = torch.randn(1, 4).expand(2, -1)
    first, second = model.sample(same, bags(["red apple", "fire engine"]))
    assert not torch.allclose(first, second, atol=1e-4)


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Captions of an archive of twenty subjects, each with three other names."""
    names = {split: {f"{split}-{i}": f"{split} {i}" for i in range(20)} for split in ("train", "test")}
    other = {f"train-{i}": {f"train {i}", f"{i} train", *(f"name{j} of {i}" for j in range(3))} for i in range(20)}
    monkeypatch.setattr(captions, "_other_names", lambda: other)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as opened:
        for split, rows in names.items():
            lines = [json.dumps({"file_name": f"v/{stem}.png", "text": text}) for stem, text in rows.items()]
            opened.writestr(f"{split}/metadata.jsonl", "\n".join(lines))
    with zipfile.ZipFile(tmp_path / "set.zip") as opened:
        return captions.read(opened)


def test_no_wording_that_is_held_out_is_trained_on(told):
    trained = {frozenset(words(caption)) for subject in told.trained for caption in told.trained[subject]}
    held = {frozenset(words(caption)) for subject in told.held for caption in told.held[subject]}
    assert held
    assert not held & trained
    assert told.held.keys() <= told.trained.keys()
    assert not told.unseen.keys() & told.trained.keys()


def test_a_name_is_always_trained_on_and_goes_with_its_pictures(told):
    assert all(f"train {i}" in told.of(f"train-{i}") for i in range(20))
    assert told.of("test-3") == ("test 3",)


def test_edges_are_black_where_it_is_steep_and_teach_where_they_are_missing():
    flat = torch.full((1, 3, 8, 8), 0.3)
    assert torch.equal(edges(flat), torch.ones(1, 1, 8, 8))
    step = torch.where(torch.arange(8) < 4, -1.0, 1.0).expand(1, 3, 8, 8).clone().requires_grad_()
    drawn = edges(step)
    assert (drawn[..., 3:5] == -1).all()
    assert (drawn[..., :3] == 1).all()
    faint = (step.detach() * 0.3).requires_grad_()
    edges(faint).sum().backward()
    assert faint.grad.abs().sum() > 0
