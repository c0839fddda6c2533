"""Sheets of filled holes for the docs: what is given, what models and the classical fill make of it, what was there."""

from __future__ import annotations

import numpy as np
import torch

from evaluation.holes import biharmonic
from models import noise
from models.capabilities import Completer, SamplingCompleter, hole_of
from models.model import final_images
from pictures import composition
from tasks.operation import to_pixels
from training.data import Source
from training.masks import hide

ROWS = 5
DRAWN = 2
"""Answers to one hole, of models that draw them."""


def columns(model: Completer | SamplingCompleter) -> tuple[str, ...]:
    """What stands beside each other on a sheet."""
    draws = isinstance(model, SamplingCompleter)
    made = tuple(f"filled, seed {seed}" for seed in range(DRAWN)) if draws else ("filled",)
    return ("given", *made, "biharmonic", "truth")


@torch.inference_mode()
def draw(model: Completer | SamplingCompleter, held_out: Source) -> np.ndarray:
    """A row for each of some held-out pictures, evenly spread; the masks have the seeds 0, 1, 2 … uint8 [H, W, C]."""
    images = held_out.all()["images"]
    truth = images[[(2 * row + 1) * len(images) // (2 * ROWS) for row in range(ROWS)]]
    kind = "centre" if hole_of(model) else "free-form"
    masks = torch.stack([hide(kind, truth.shape[-1], seed) for seed in range(ROWS)])
    shown = [truth * (1 - masks)]
    if isinstance(model, Completer):
        filled = [model.complete(truth, masks)]
    else:
        drawn = (noise.normal([seed] * ROWS, model.latent_shape) for seed in range(DRAWN))
        filled = [model.complete(truth, masks, each) for each in drawn]
    shown += [torch.where(masks > 0, final_images(each), truth) for each in filled]
    shown += [biharmonic(truth, masks), truth]
    return composition.grid(list(to_pixels(torch.stack(shown, dim=1).flatten(0, 1))), columns=len(shown))
