"""Noise, paths and tasks: what every family gets from what it implements."""

import pytest
import torch

from models import noise
from models.card import Task
from models.model import build
from tasks import operations
from tasks.latents import path, slerp
from tasks.operation import to_pixels, to_tensor

CODES = {Task.SAMPLE, Task.RECONSTRUCT, Task.INTERPOLATE, Task.VARY, Task.TRAVERSE, Task.ENCODE}
FAMILIES = {
    "dcgan": ({"width": 8}, {Task.SAMPLE}),
    "wgan": ({"width": 8}, {Task.SAMPLE, Task.SCORE}),
    "improved-gan": ({"width": 8}, {Task.SAMPLE, Task.CLASSIFY}),
    "cgan": ({"width": 8}, {Task.CONDITIONAL}),
    "vae": (
        {"width": 8},
        {Task.SAMPLE, Task.RECONSTRUCT, Task.INTERPOLATE, Task.VARY, Task.TRAVERSE, Task.ENCODE, Task.SCORE},
    ),
    "ae": ({"width": 8}, {Task.RECONSTRUCT, Task.INTERPOLATE, Task.VARY, Task.TRAVERSE, Task.ENCODE}),
    "acgan": ({"width": 8}, {Task.CONDITIONAL}),
    "infogan": ({"width": 8}, {Task.SAMPLE, Task.TRAVERSE}),
    "bigan": ({"width": 8}, CODES),
    "ali": ({"width": 8}, CODES),
    "vae-gan": ({"width": 8}, CODES),
    "pix2pix": ({"size": 32, "width": 8}, {Task.TRANSLATE}),
    "cyclegan": ({"width": 8}, {Task.TRANSLATE}),
    "unit": ({"size": 16, "width": 4}, {Task.TRANSLATE, Task.ENCODE}),
    "munit": ({"width": 4}, {Task.TRANSLATE}),
    "stargan": ({"width": 4}, {Task.TRANSLATE}),
    "matcher": ({"width": 8}, set()),
    "mosaic": ({"size": 16, "tile": 4, "bank": 8}, {Task.SAMPLE, Task.STYLIZE}),
    "classifier": ({"width": 8}, set()),
    "pixelcnn": ({"width": 8}, {Task.SAMPLE, Task.INPAINT, Task.SCORE}),
    "pixelrnn": ({"width": 8}, {Task.SAMPLE, Task.INPAINT, Task.SCORE}),
    "glow": (
        {"width": 8},
        {Task.SAMPLE, Task.RECONSTRUCT, Task.INTERPOLATE, Task.VARY, Task.TRAVERSE, Task.ENCODE, Task.SCORE},
    ),
    "diffusion": ({"widths": (32,), "classes": 10}, {Task.CONDITIONAL, Task.VARY, Task.INPAINT}),
    "lapgan": ({"width": 8}, {Task.SAMPLE}),
    "gan-int-cls": ({"width": 8}, {Task.TEXT}),
    "text-diffusion": ({"widths": (32,)}, {Task.TEXT, Task.VARY, Task.INPAINT}),
    "ss-gan": ({"width": 8}, {Task.SAMPLE, Task.TRANSLATE}),
    "gaussian": ({"size": 4, "rank": 2}, {Task.SAMPLE, Task.INPAINT, Task.SCORE}),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_offers_what_its_class_implements(family):
    config, tasks = FAMILIES[family]
    assert set(operations.tasks_of(build(family, config))) == tasks


def test_noise_belongs_to_its_seed_alone():
    together = noise.normal([3, 1, 2], (5,))
    assert torch.equal(together[1], noise.normal([1], (5,))[0])
    assert torch.equal(noise.truncated([3, 1], (5,), 0.5)[1], noise.truncated([1], (5,), 0.5)[0])


def test_truncated_noise_is_a_truncated_normal():
    values = noise.truncated(range(200), (100,), 0.7).flatten()
    assert values.abs().max() <= 0.7
    # Variance of a normal truncated to ±t: 1 - 2 t φ(t) / (2Φ(t) - 1).
    t = torch.tensor(0.7)
    density = torch.exp(-t.square() / 2) / (2 * torch.pi) ** 0.5
    expected = 1 - 2 * t * density / torch.erf(t / 2**0.5)
    assert values.var().item() == pytest.approx(expected.item(), rel=0.03)


def test_slerp_keeps_the_norm_and_meets_its_ends():
    start, end = torch.randn(2, 64, generator=torch.Generator().manual_seed(0))
    start, end = start / start.norm(), end / end.norm()
    for share in (0.0, 0.3, 1.0):
        assert slerp(start, end, share).norm().item() == pytest.approx(1, abs=1e-5)
    assert torch.allclose(slerp(start, end, 0.0), start, atol=1e-6)
    assert torch.allclose(slerp(start, end, 1.0), end, atol=1e-6)
    assert torch.allclose(slerp(start, start, 0.5), start)


def test_a_path_passes_through_every_stop():
    stops = torch.tensor([[0.0], [1.0], [5.0]])
    assert path(stops, 5, "lerp").flatten().tolist() == [0, 0.5, 1, 3, 5]


def test_pixels_and_tensors_are_inverse():
    pixels = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1).numpy()
    assert (to_pixels(to_tensor(list(pixels))) == pixels).all()
