"""Pictures at their own size: what each family says of the sizes that it takes is so."""

import gc
import threading
import time
from pathlib import Path

import pytest
import torch

from models.capabilities import StyledTranslator, TargetTranslator, Upscaler
from models.model import build, freeze
from models.nn.native import MEMORY, native, strictest
from pictures.framing import Frame, Native
from tasks.operation import to_pixels, to_tensor

SMALL = {"width": 8}
NET = {"network": "resnet", "width": 4, "blocks": 2}
FAMILIES = {
    "cyclegan": {**SMALL, "blocks": 1},
    "cyclegan-resized": {**SMALL, "blocks": 1, "doubling": "resized", "residual": True},
    "dualgan": {**SMALL, "size": 16},
    "discogan": SMALL,
    "unit": {**SMALL, "blocks": 1, "size": 16},
    "munit": {**SMALL, "blocks": 1},
    "drit": {**SMALL, "blocks": 1},
    "bicyclegan": {**SMALL, "size": 16},
    "pix2pix": {**SMALL, "size": 16},
    "stargan": {**SMALL, "blocks": 1},
    "imported-cyclegan": {"a_to_b": {**NET, "norm": "batch"}},
    "srcnn": {"width": 8},
    "edsr": {"width": 8, "blocks": 2},
}
TILED = ("imported-cyclegan", "srcnn", "edsr")


def made(family: str, **config):
    """A fresh model, its weights large enough for each pixel to count, and what it makes of pictures."""
    model = build(family.removesuffix("-resized"), {**FAMILIES[family], **config})
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / parameter[0].numel() ** 0.5)
    model = freeze(model)

    @torch.inference_mode()
    def run(images):
        if isinstance(model, Upscaler):
            return model.upscale(images, model.scales[0])
        if isinstance(model, TargetTranslator):
            return model.translate(images, torch.eye(model.classes)[:1].expand(len(images), -1))
        if isinstance(model, StyledTranslator):
            return model.translate(images, model.directions[0], torch.zeros(len(images), *model.latent_shape))
        return model.translate(images, model.directions[0])

    return model, run


def noise(width, height):
    return torch.randint(0, 256, (height, width, 3), generator=torch.Generator().manual_seed(0)).to(torch.uint8).numpy()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("size", [(1, 1), (37, 21), (64, 48)])
def test_every_size_goes_that_the_family_says(family, size):
    model, run = made(family)
    scale = model.scales[0] if isinstance(model, Upscaler) else 1
    frame = Frame.native(size, model.native, scale=scale)
    answer = frame.join(to_pixels(run(to_tensor(frame.cut(noise(*size))))))
    assert answer.shape == (size[1] * scale, size[0] * scale, 3)
    assert (model.native.reach is not None) == (family in TILED)


@pytest.mark.parametrize("family", TILED)
def test_tiles_and_the_whole_agree_within_one_level(family):
    model, run = made(family)
    scale = model.scales[0] if isinstance(model, Upscaler) else 1
    size, side = (150, 97), 2 * model.native.reach + 16
    tiled = Frame.native(size, model.native.model_copy(update={"whole": side**2}), scale=scale)
    whole = Frame.native(size, model.native, scale=scale)
    assert tiled.tiles > whole.tiles == 1
    answers = [frame.join(to_pixels(run(to_tensor(frame.cut(noise(*size)))))) for frame in (tiled, whole)]
    assert abs(answers[0].astype(int) - answers[1]).max() <= 1
    # What overlaps by less does not.
    short = tiled.model_copy(update={"reach": 0})
    answer = short.join(to_pixels(run(to_tensor(short.cut(noise(*size))))))
    assert abs(answer.astype(int) - answers[1]).max() > 1


@pytest.mark.parametrize("family", FAMILIES)
def test_a_pass_takes_no_more_memory_than_is_said(family):
    model, run = made(family, **({"a_to_b": {**NET, "width": 32, "norm": "batch"}} if family in TILED[:1] else {}))
    images = torch.zeros(1, 3, 512, 512)
    run(images[:, :, :256, :256])
    gc.collect()
    peak = _peak_of(lambda: run(images))
    assert peak < 512 * 512 * model.native.pass_bytes / model.native.whole * 1.1 + 30e6


def _peak_of(call) -> int:
    """Bytes that the process takes meanwhile, beyond what it had."""

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    before, most, done = resident(), 0, threading.Event()

    def watch():
        nonlocal most
        while not done.is_set():
            most = max(most, resident())
            time.sleep(0.001)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        call()
    finally:
        done.set()
        watcher.join()
    return most - before


def test_bounds_follow_from_the_memory_of_a_pixel():
    assert native(1024).whole == native(1024).limit == MEMORY // 1024
    tiled = native(1024, reach=9)
    assert tiled.whole < tiled.limit
    assert native(2**16, reach=9).pass_bytes <= MEMORY


def test_the_strictest_bounds_hold_for_all():
    tiled = Native(multiple=4, least=8, reach=20, whole=400, limit=1000, pass_bytes=7)
    other = Native(multiple=6, least=2, reach=9, whole=500, limit=900, pass_bytes=9)
    both = strictest(tiled, other)
    assert both == Native(multiple=12, least=8, reach=20, whole=400, limit=900, pass_bytes=9)
    whole = Native(multiple=1, whole=300, limit=300, pass_bytes=3)
    assert strictest(whole, tiled) == Native(multiple=4, least=8, whole=300, limit=300, pass_bytes=7)
