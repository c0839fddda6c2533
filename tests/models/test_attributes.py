"""Codes that a model has and directions that are found: what they are put to is what they are."""

import math

import pytest
import torch

from evaluation import latent_directions
from evaluation.latent_directions import MeasuredDirection, breadth, slant, thickness
from models import noise
from models.attributes import Category, Code
from models.capabilities import Decoder, Encoder
from models.families.info import jittered
from models.losses.information import mutual_information


def bar(left, right, lean=0.0, size=28):
    """A bar of ink from row 4 to 23, its edges soft, leaning `lean` pixels to the right for each pixel upwards."""
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    place = columns - lean * (size / 2 - rows)
    inside = (place - left + 0.5).clamp(0, 1) * (right - place + 0.5).clamp(0, 1)
    return (inside * (rows >= 4) * (rows < 24))[None, None] * 2 - 1


def test_measures_of_a_bar():
    thin, thick, leaning = bar(13, 15), bar(11, 17), bar(13, 15, lean=0.3)
    assert thickness(thin).item() == pytest.approx(2, rel=0.15)
    assert thickness(thick).item() / thickness(thin).item() == pytest.approx(2.4, rel=0.1)
    assert slant(leaning).item() == pytest.approx(0.3, abs=0.02)
    assert slant(thin).item() == pytest.approx(0, abs=0.01)
    assert breadth(thick).item() > 2 * breadth(thin).item()
    assert breadth(leaning).item() == pytest.approx(breadth(thin).item(), rel=0.1)


def test_measures_of_an_empty_picture_are_finite():
    empty = -torch.ones(1, 1, 28, 28)
    assert all(measure(empty).isfinite().all() for measure in (thickness, slant, breadth))


class Bars(Encoder, Decoder):
    """The first number of its latent makes the bar thicker, the second lets it lean. It knows the codes of the images
    that it is shown, in their order."""

    latent_shape = (3,)

    def __init__(self, codes):
        super().__init__()
        self.rest = iter(codes)

    def encode(self, images):
        return torch.stack([next(self.rest) for _ in images])

    def decode(self, codes):
        return torch.cat(
            [bar(13 - own, 15 + own, lean) for own, lean in zip(codes[:, 0], codes[:, 1] / 5, strict=True)]
        )


def test_directions_are_found_for_each_measure_apart_from_the_others():
    latents = torch.randn(300, 3, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    model = Bars(latents)
    measures = {"thickness": thickness, "slant": slant}
    found = latent_directions.regress(model, measures, model.decode(latents), torch.zeros(300, dtype=torch.long))
    for name, axis in (("thickness", 0), ("slant", 1)):
        vector = found[name].vector
        assert vector[axis] / vector.norm() > 0.97
        assert found[name].effect == pytest.approx(1, rel=0.15)


def test_a_direction_takes_no_other_inputs_name(tmp_path):
    with pytest.raises(ValueError, match="seed"):
        latent_directions.write(tmp_path, {"seed": MeasuredDirection(torch.zeros(3), 1.0)})


def test_what_is_put_into_a_latent_is_what_it_stands_for():
    latent = noise.normal(range(4), (3,))
    for value in (-1, -0.4, 0, 1):
        put = Code(1).put(latent, value)
        assert Code(1).value(put).tolist() == pytest.approx([value] * 4, abs=1e-3)
        assert torch.equal(put[:, [0, 2]], latent[:, [0, 2]])
    for value in range(10):
        assert Category(2, 10).value(Category(2, 10).put(latent, value)).tolist() == [value] * 4


def test_categories_of_normal_latents_are_equally_frequent():
    drawn = Category(0, 4).value(noise.normal(range(4000), (1,)))
    assert drawn.long().bincount(minlength=4).tolist() == pytest.approx([1000] * 4, abs=100)


def test_information_is_all_or_nothing():
    sure = torch.eye(4).repeat(5, 1)
    assert mutual_information(sure, sure).item() == pytest.approx(math.log(4), abs=1e-3)
    assert mutual_information(sure, torch.full_like(sure, 0.25)).item() == pytest.approx(0, abs=1e-3)


def test_jittering_by_nothing_is_nothing():
    images = torch.rand(2, 1, 8, 8) * 2 - 1
    assert torch.allclose(jittered(images, 0), images, atol=1e-5)
    assert not torch.allclose(jittered(images, 0.3), images, atol=0.1)
