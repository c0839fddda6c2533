"""The figures of upscalers, on photographs at their own size, beside those of bicubic interpolation (the floor)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median

import torch
from torch import Tensor

from evaluation.evaluated import EvaluatedModel, batched
from evaluation.frechet import frechet_distance
from evaluation.judging import PATCH_JUDGES, Judge
from evaluation.luminance import psnr_y
from models.capabilities import Upscaler
from models.card import Metric, Task
from models.model import final_images
from models.nn.bicubic import reduced, resized
from tasks.compilation import Compiled, compile
from tasks.operation import Rows
from tasks.operations import OPERATIONS
from training.data import Photographs, to_float

PATCH = 32
"""Side of the patches that a classifier of small photographs judges."""
TIMED, RUNS = 512, 5
"""Side of the answer that is timed, at least, and how often it is made."""

Pictures = Sequence[Tensor]
"""[1, 3, H, W] in [-1, 1] each."""
Upscale = Callable[[Tensor, int], Tensor]


def upscaling(about: EvaluatedModel) -> Iterator[Metric]:
    """How near enlarged pictures come to those that were reduced, and how alike their patches are to real ones."""
    model, held_out = about.model, about.held_out
    if not isinstance(model, Upscaler) or not isinstance(held_out, Photographs):
        return

    def upscaled(images: Tensor, scale: int) -> Tensor:
        return final_images(model.upscale(images, scale))

    for scale in model.scales:
        truths = [_multiple(to_float(picture)[None], scale) for picture in held_out.images]
        small = [reduced(truth, scale) for truth in truths]
        judge = about.judge(PATCH_JUDGES)
        real = _cloud(judge, truths) if judge else None
        for upscale, suffix in ((upscaled, ""), (bicubic, ".floor")):
            made = [upscale(picture, scale) for picture in small]
            yield from _fidelity(about, held_out, made, truths, scale, suffix)
            if judge is not None and real is not None:
                name = f"frechet_distance[{judge.name}, {PATCH} px patches].x{scale}{suffix}"
                yield about.metric(name, frechet_distance(_cloud(judge, made), real), len(real), judge.extractor)


def upscaling_cost(about: EvaluatedModel) -> Iterator[Metric]:
    """What a million pixels of an answer cost, as a worker makes them."""
    if not isinstance(about.model, Upscaler):
        return
    operation = OPERATIONS[Task.UPSCALE]
    for scale in about.model.scales:
        probe = operation.probe(about.model, about.card, 3)
        run = compile(about.model, operation, Rows(probe.tensors, {"scale": scale}), threads=1)
        timing = f"about {TIMED} x {TIMED} pixels, by ONNX Runtime on one core: its time, median of {RUNS}"
        yield about.metric(f"ms_per_megapixel.x{scale}", _milliseconds(run, scale), RUNS, None, timing)


def bicubic(images: Tensor, scale: int) -> Tensor:
    """[N, 3, H, W] in [-1, 1] -> [N, 3, scale * H, scale * W]."""
    return resized(images, scale * images.shape[2], scale * images.shape[3]).clamp(-1, 1)


def _fidelity(
    about: EvaluatedModel, held_out: Photographs, made: Pictures, truths: Pictures, scale: int, suffix: str
) -> Iterator[Metric]:
    """Of each set of pictures apart; `scale` pixels along the border do not count, as in the literature."""
    found = torch.cat([psnr_y(image, truth, border=scale) for image, truth in zip(made, truths, strict=True)])
    for index, name in enumerate(held_out.classes):
        chosen = found[held_out.labels == index]
        yield about.metric(f"psnr_y.{name}.x{scale}{suffix}", chosen.mean().item(), len(chosen))


def _cloud(judge: Judge, pictures: Pictures) -> Tensor:
    """What a classifier of small photographs sees in the patches of all pictures, [N, features]."""
    return batched(judge.features, torch.cat([_patches(picture) for picture in pictures]))


def _milliseconds(run: Compiled, scale: int) -> float:
    """Of one core's time for a million pixels of the answer."""
    side = -(-TIMED // scale)
    images = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = []
    for _ in range(RUNS):
        started = time.process_time()
        run({"images": images})
        found.append(time.process_time() - started)
    return 1000 * median(found) / ((scale * side) ** 2 / 1e6)


def _multiple(images: Tensor, of: int) -> Tensor:
    """[N, C, H, W] without the pixels at the end that are too many for sides that are multiples of `of`."""
    return images[:, :, : images.shape[2] // of * of, : images.shape[3] // of * of]


def _patches(images: Tensor) -> Tensor:
    """[N, C, H, W] -> all whole patches, [N * M, C, PATCH, PATCH]."""
    tiles = images.unfold(2, PATCH, PATCH).unfold(3, PATCH, PATCH)
    return tiles.permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
