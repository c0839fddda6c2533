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


MAX_SHEET = 2**24
"""Most pixels of a sheet or an animation: 50 MB of memory while it is made."""

_LONGEST: dict[str, int] = {"png": 2**31 - 1, "jpg": 65_535, "webp": 16_383, "avif": 65_535, "gif": 65_535}
"""Longest side that each format can have, in pixels."""


class TooLargeForSheet(ValueError):
    """Pictures that make no sheet of a format; the message says what would go."""


def grid_size(count: int, width: int, height: int, gap: int = 2) -> tuple[int, int]:
    """Width and height of the `grid` of so many pictures of one size."""
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    return columns * (width + gap) - gap, rows * (height + gap) - gap


def require_sheet(count: int, width: int, height: int, format: str) -> None:
    """
    Args:
        format: of the file that the `grid` of `count` pictures is to be.

    Raises:
        TooLargeForSheet: it would have more pixels than are made, or a longer side than the format can have.
    """
    if _fits(count, width, height, format):
        return
    wide, high = grid_size(count, width, height)
    fitting = next((fewer for fewer in range(count - 1, 0, -1) if _fits(fewer, width, height, format)), 0)
    instead = f"up to {fitting} fit on one; " if fitting > 1 else ""
    raise TooLargeForSheet(
        f"a sheet of {count} pictures of {width} x {height} would have {wide} x {high} pixels, which is too many for "
        f"one {format} file; {instead}ask for Accept: application/zip or application/json, or for a smaller `side`"
    )


def require_animation(count: int, width: int, height: int, format: str) -> None:
    """
    Raises:
        TooLargeForSheet: the frames of an animation would have too many pixels together, or for the format.
    """
    if count * width * height <= MAX_SHEET and max(width, height) <= _LONGEST[format]:
        return
    raise TooLargeForSheet(
        f"{count} frames of {width} x {height} are too many pixels for one animation; up to "
        f"{max(MAX_SHEET // (width * height), 0)} frames fit, or ask for Accept: application/zip"
    )


def _fits(count: int, width: int, height: int, format: str) -> bool:
    wide, high = grid_size(count, width, height)
    return max(wide, high) <= _LONGEST[format] and wide * high <= MAX_SHEET


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
