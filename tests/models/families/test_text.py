"""Text: how it is read, what of it is held out of training; and drawings, which are made of pictures."""

import json
import zipfile
from types import SimpleNamespace

import pytest
import torch

from evaluation.evaluated import Space
from evaluation.prompts import prompts
from evaluation.retrieval import thumbnails
from models.capabilities import TextSampler
from models.model import build
from models.nn.edges import edges
from models.nn.text import TextEncoder, bags
from models.text import GRAMS, grams, words
from training import captions


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


def test_prompts_are_scored_by_whether_their_subjects_pictures_are_found():
    """A model that knows all held wordings, which are the second of half of the subjects that it was trained on, and
    draws one picture for whatever it has not seen."""
    images = torch.rand(240, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    told = [f"subject{i}" for i in range(240)]
    known = {text: tuple(bags([text]).nonzero()[:, 1].tolist()) for text in told[:120]}
    place = {grams: index for index, grams in enumerate(known.values())}

    class Knowing(TextSampler):
        latent_shape = (1,)

        def sample(self, latent, text):
            return torch.stack([images[place.get(tuple(row.nonzero()[:, 0].tolist()), 0)] for row in text])

    wordings = captions.Captions(
        {f"{i}": (told[i] if i < 60 else "?", "?") for i in range(120)},
        {f"{i}": (told[i],) for i in range(120)},
        {f"{i}": (told[i],) for i in range(120, 240)},
    )

    def source(first):
        spec = SimpleNamespace(name="emoji", split="some")
        names = [str(i) for i in range(first, first + 120)]
        return SimpleNamespace(
            spec=spec, names=names, worded=lambda: wordings, all=lambda: {"images": images[first : first + 120]}
        )

    about = SimpleNamespace(
        model=Knowing(),
        held_out=source(120),
        train=source(0),
        spaces=[Space("pixels", thumbnails)],
        metric=lambda name, value, *rest: (name, value),
    )
    found = dict(prompts(about))
    assert found["retrieval[pixels].trained_wordings"] == pytest.approx(0.5, abs=0.03)
    assert found["retrieval[pixels].held_wordings"] == 1
    assert found["retrieval[pixels].unseen_subjects"] < 0.05


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


def test_a_drawing_comes_before_its_picture_which_keeps_to_it():
    model = build("ss-gan", {"size": 16, "latent": 4, "style": 4, "width": 8}).eval()
    first, second = torch.randn(2, 1, 8)
    drawing, picture = model.sample(first)
    assert (drawing.done, picture.done, picture.total) == (1, 2, 2)
    assert torch.equal(drawing.images[:, 0], drawing.images[:, 2])
    restyled, _ = model.sample(torch.cat([first[:, :4], second[:, 4:]], dim=1))
    assert torch.equal(restyled.images, drawing.images)


def test_a_pyramid_is_drawn_from_coarse_to_fine():
    model = build("lapgan", {"sides": (8, 16), "channels": 1, "latent": 4, "hidden": 8, "width": 8}).eval()
    latent = torch.randn(1, 4 + 16 * 16)
    coarse, fine = model.sample(latent)
    assert coarse.images.shape == fine.images.shape == (1, 1, 16, 16)
    assert torch.equal(coarse.images[..., ::2, ::2], coarse.images[..., 1::2, 1::2])
    latent[:, 4:] = 0
    assert torch.equal(next(model.sample(latent)).images, coarse.images)


def test_a_pyramid_doubles_at_each_level():
    with pytest.raises(ValueError, match="twice"):
        build("lapgan", {"sides": (8, 24)})
