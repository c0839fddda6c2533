"""Which part of a training picture is hidden: its middle, or what random strokes and rectangles cover."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

Masks = Literal["centre", "free-form"]

_MOST = 0.5
"""Largest share of a picture that is hidden."""
_LEAST = 0.02


def hide(kind: Masks, side: int, seed: int) -> Tensor:
    """[1, side, side], 1 where the picture is hidden and else 0; the same `seed` gives the same mask."""
    if kind == "centre":
        mask = torch.zeros(1, side, side)
        mask[:, side // 4 : side - side // 4, side // 4 : side - side // 4] = 1
        return mask
    generator = np.random.default_rng(seed)
    while True:
        mask = _free_form(side, generator)
        if _LEAST <= mask.mean() <= _MOST:
            return torch.from_numpy(mask)[None].float()


def _free_form(side: int, generator: np.random.Generator) -> np.ndarray:
    """One to four strokes of a brush or rectangles. bool [side, side]."""
    canvas = Image.new("1", (side, side))
    pen = ImageDraw.Draw(canvas)
    for _ in range(generator.integers(1, 5)):
        if generator.random() < 0.4:
            width, height = generator.uniform(0.1, 0.55, 2) * side
            left, top = generator.uniform(-0.1, 1.0, 2) * side - (width / 2, height / 2)
            pen.rectangle((left, top, left + width, top + height), fill=1)
        else:
            _stroke(pen, side, generator)
    return np.array(canvas)


def _stroke(pen: ImageDraw.ImageDraw, side: int, generator: np.random.Generator) -> None:
    """A line of some turns, back and forth, with round joints (Yu et al. 2018, arXiv 1806.03589, algorithm 1)."""
    brush = generator.uniform(0.05, 0.18) * side
    x, y = generator.uniform(0, side, 2)
    heading = generator.uniform(0, 2 * math.pi)
    for turn in range(generator.integers(2, 9)):
        angle = heading + turn * math.pi + generator.uniform(-0.7, 0.7)
        length = generator.uniform(0.1, 0.4) * side
        end = x + length * math.cos(angle), y + length * math.sin(angle)
        pen.line((x, y, *end), fill=1, width=round(brush))
        for at in ((x, y), end):
            pen.ellipse((at[0] - brush / 2, at[1] - brush / 2, at[0] + brush / 2, at[1] + brush / 2), fill=1)
        x, y = end
