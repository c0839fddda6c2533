"""Pictures of any size through a network of one: laid on its canvas, and its answer taken off. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict

Fit = Literal["contain", "cover", "stretch", "tile"]
Size = tuple[int, int]
"""Width and height."""

MAX_SIDE = 2048
"""Longest side of an answer, in pixels."""
MAX_TILES = 64
"""Most tiles of one picture."""
_OVERLAP = 0.25
"""Least share of a tile's side that it has in common with the next."""


class TooManyTiles(ValueError):
    """A picture that would take more than `MAX_TILES`; the message says which side would not."""


class Frame(BaseModel):
    """How one picture goes through a network.

    `contain` lays the whole picture on the canvas and fills up by reflection, `cover` takes the centre that has the
    canvas's aspect, `stretch` gives up the picture's aspect meanwhile, and `tile` leaves the picture at the answer's
    size and goes over it in overlapping tiles.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fit: Fit
    width: int
    height: int
    """Of the answer."""
    canvas: Size
    """What the network takes."""

    @classmethod
    def of(cls, picture: Size, canvas: Size, fit: Fit, side: int | None, answers: int = 1) -> Frame:
        """The frame of a picture of this size, whose answer's longer side is `side` (the picture's own if None).

        Args:
            answers: how many are asked for; each takes as many tiles.

        Raises:
            TooManyTiles: `tile`, and it is too large.
        """
        if fit == "cover":
            scale = max(canvas[0] / picture[0], canvas[1] / picture[1])
            picture = round(canvas[0] / scale), round(canvas[1] / scale)
        longer = side or min(max(picture), MAX_SIDE)
        frames = (cls(fit=fit, canvas=canvas, **_scaled(picture, side)) for side in range(longer, 0, -1))
        frame = next(frames)
        if frame.tiles == 1 or frame.tiles * answers <= MAX_TILES:
            return frame
        fitting = next(smaller for smaller in frames if smaller.tiles * answers <= MAX_TILES or smaller.tiles == 1)
        raise TooManyTiles(
            f"{frame.width} x {frame.height} pixels take {frame.tiles * answers} tiles, and {MAX_TILES} are the most; "
            f"ask for a `side` of up to {max(fitting.width, fitting.height)}, or for another `fit`"
        )

    @property
    def inner(self) -> Size:
        """The picture's size as the network sees it."""
        if self.fit == "tile":
            return self.width, self.height
        if self.fit != "contain":
            return self.canvas
        scale = min(self.canvas[0] / self.width, self.canvas[1] / self.height)
        return max(1, round(self.width * scale)), max(1, round(self.height * scale))

    @property
    def tiles(self) -> int:
        """How many canvases the picture takes."""
        across, down = (len(_starts(length, canvas)) for length, canvas in zip(self.inner, self.canvas, strict=True))
        return across * down

    def cut(self, pixels: np.ndarray) -> list[np.ndarray]:
        """The canvases of a picture of the size `inner`, uint8 [height, width, C] each."""
        (width, height), (left, top) = self.canvas, self._offset
        below, right = max(height - pixels.shape[0] - top, 0), max(width - pixels.shape[1] - left, 0)
        padded = np.pad(pixels, ((top, below), (left, right), (0, 0)), mode="symmetric")
        return [padded[y : y + height, x : x + width] for y, x in self._corners()]

    def join(self, canvases: Sequence[np.ndarray]) -> np.ndarray:
        """What the network made of `cut`, as one picture of the size `inner`; tiles fade into each other."""
        (width, height), (left, top) = self.inner, self._offset
        if len(canvases) == 1:
            return canvases[0][top : top + height, left : left + width]
        weight = _hill(self.canvas[1])[:, None, None] * _hill(self.canvas[0])[:, None]
        extent = max(height, self.canvas[1]), max(width, self.canvas[0])
        total, share = np.zeros((*extent, canvases[0].shape[2]), np.float32), np.zeros((*extent, 1), np.float32)
        for (y, x), tile in zip(self._corners(), canvases, strict=True):
            here = slice(y, y + self.canvas[1]), slice(x, x + self.canvas[0])
            total[here] += weight * tile
            share[here] += weight
        blended = (total / share).round().astype(np.uint8)
        return blended[top : top + height, left : left + width]

    def restore(self, pixels: np.ndarray) -> np.ndarray:
        """A picture of the size `inner` at the answer's size. uint8 [height, width, 1 or 3]."""
        if pixels.shape[:2] == (self.height, self.width):
            return pixels
        picture = Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)
        resized = np.asarray(picture.resize((self.width, self.height), Image.Resampling.BICUBIC))
        return resized.reshape(self.height, self.width, pixels.shape[2])

    @property
    def _offset(self) -> Size:
        """Where a picture that is smaller than the canvas lies on it: in the middle."""
        return tuple(max(canvas - inner, 0) // 2 for canvas, inner in zip(self.canvas, self.inner, strict=True))

    def _corners(self) -> Iterator[tuple[int, int]]:
        """Top and left of each tile, row by row."""
        for top in _starts(self.inner[1], self.canvas[1]):
            for left in _starts(self.inner[0], self.canvas[0]):
                yield top, left


def _scaled(picture: Size, longer: int) -> dict[str, int]:
    """Width and height of the picture scaled so that its longer side is `longer`."""
    scale = longer / max(picture)
    return {"width": max(1, round(picture[0] * scale)), "height": max(1, round(picture[1] * scale))}


def _starts(length: int, tile: int) -> list[int]:
    """Where tiles begin that cover a length, evenly spread."""
    if length <= tile:
        return [0]
    count = math.ceil((length - tile) / (tile * (1 - _OVERLAP))) + 1
    return [round(index * (length - tile) / (count - 1)) for index in range(count)]


def _hill(length: int) -> np.ndarray:
    """Weights that rise from both ends over the overlap; never 0."""
    to_the_end = np.minimum(np.arange(length), np.arange(length)[::-1]) + 0.5
    return np.minimum(to_the_end / (length * _OVERLAP), 1).astype(np.float32)
