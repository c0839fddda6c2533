"""Pictures made of pictures: sheets, heat maps, and how two differ."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from PIL import Image


def heat_map(values: np.ndarray, channels: Literal[1, 3] = 3) -> np.ndarray:
    """[H, W] in [0, 1] -> uint8 [H, W, channels]: black at 0, through red and yellow to white at a third and above."""
    heat = np.minimum(values * 3, 1)
    if channels == 1:
        return (heat * 255).round().astype(np.uint8)[:, :, None]
    return (np.stack([heat * 3, heat * 3 - 1, heat * 3 - 2], axis=2).clip(0, 1) * 255).round().astype(np.uint8)


def difference(one: bytes, other: bytes) -> str | None:
    """How two image files differ in their pixels, in words; None if they do not."""
    first, second = (np.asarray(Image.open(io.BytesIO(data))).astype(int) for data in (one, other))
    if first.shape != second.shape:
        return f"it is {second.shape[1]} x {second.shape[0]} pixels, not {first.shape[1]} x {first.shape[0]}"
    apart = np.abs(first - second)
    if not apart.any():
        return None
    return f"{np.count_nonzero(apart):,} of {apart.size:,} values differ, by up to {apart.max()} of 255"


def grid(pictures: Sequence[np.ndarray], columns: int | None = None, gap: int = 2) -> np.ndarray:
    """Pictures of one size side by side on white, row by row; as square as can be unless `columns` is given."""
    columns = columns or math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    height, width, channels = pictures[0].shape
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, channels), 255, np.uint8)
    for index, picture in enumerate(pictures):
        top, left = index // columns * (height + gap), index % columns * (width + gap)
        sheet[top : top + height, left : left + width] = picture
    return sheet
