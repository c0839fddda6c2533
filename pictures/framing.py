"""Pictures of any size through a network of one: laid on its canvas, and its answer taken off. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

Fit = Literal["contain", "cover", "stretch", "tile", "native"]
FITS: tuple[Fit, ...] = get_args(Fit)
Size = tuple[int, int]
"""Width and height."""

MAX_SIDE = 2048
"""Longest side of an answer, in pixels."""
MAX_TILES = 64
"""Most tiles of one picture."""
_OVERLAP = 0.25
"""Least share of a tile's side that it has in common with the next."""
IMAGE = 2**16
"""Pixels of a picture at its own size that count as one image."""
MAX_ANSWER = 2**24
"""Most pixels of an answer at a picture's own size."""


class TooLargePicture(ValueError):
    """A picture that would take more work than one may; the message says what size would not."""


class TooManyTiles(TooLargePicture):
    """It would take more than `MAX_TILES`."""


class TooManyPixels(TooLargePicture):
    """It has more pixels than the network takes, or its answer would have."""


class Native(BaseModel):
    """The pictures that a network of convolutions alone takes at their own size, whole or in tiles."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    multiple: int = Field(default=1, ge=1, description="sides are filled up, by reflection, to multiples of this")
    least: int = Field(default=1, ge=1, description="and to as many pixels as this at least")
    reach: int | None = Field(
        default=None,
        description="how many pixels away a pixel is still looked at; null where something is averaged over all of the "
        "picture, which then cannot be cut into tiles",
    )
    whole: int = Field(gt=0, description="most pixels that go through in one pass")
    limit: int = Field(gt=0, description="most pixels of a picture; what does not go through whole goes in tiles")
    pass_bytes: int = Field(gt=0, description="of memory that one pass takes at most, on a CPU")
    default: bool = Field(default=False, description="whether a picture is answered at its own size if nothing is said")


@dataclass(frozen=True)
class Framing:
    """How a picture of any size is to be answered, before its size is known."""

    fit: Fit
    side: int | None = None
    """Longer side of the answer, or of what is enlarged; the picture's own if None."""
    answers: int = 1
    native: Native | None = None
    """What the network takes; needed for `native`."""
    scale: int = 1
    """How many times as large the network makes it."""
    transparent: bool = False
    """Whether transparency is kept, and not laid over white."""

    def frame(self, picture: Size, canvas: Size) -> Frame:
        """The frame of a picture of this size, for a network whose own pictures have the size `canvas`.

        Raises:
            TooLargePicture: it would take more work than one may.
            ValueError: `native`, and the network takes no picture at its own size.
        """
        if self.fit == "native":
            if self.native is None:
                raise ValueError("the network takes pictures of one size only")
            return Frame.native(picture, self.native, self.side, self.answers, self.scale)
        return Frame.of(picture, canvas, self.fit, self.side, self.answers)


class Frame(BaseModel):
    """How one picture goes through a network.

    `contain` lays the whole picture on the canvas and fills up by reflection, `cover` takes the centre that has the
    canvas's aspect, `stretch` gives up the picture's aspect meanwhile, and `tile` leaves the picture at the answer's
    size and goes over it in overlapping tiles. `native` is for networks that take any size: the canvas is the picture,
    filled up by reflection where sides have to be multiples, or a tile of it that knows its surroundings.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fit: Fit
    width: int
    height: int
    """Of the answer."""
    canvas: Size
    """What the network takes."""
    scale: int = 1
    """How many times as large the network makes what it takes."""
    reach: int = 0
    """Pixels along the inner borders of a tile that lack surroundings which count; answers are taken from the rest."""
    multiple: int = 1
    """Of the places of tiles, and of the sides of what they cover."""
    alpha: bool = False
    """Whether the picture comes with its transparency, as a channel behind the others."""

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
        sizes = (_scaled(picture, side) for side in range(longer, 0, -1))
        frames = (cls(fit=fit, canvas=canvas, width=width, height=height) for width, height in sizes)
        frame = next(frames)
        if frame.tiles == 1 or frame.tiles * answers <= MAX_TILES:
            return frame
        fitting = next(smaller for smaller in frames if smaller.tiles * answers <= MAX_TILES or smaller.tiles == 1)
        raise TooManyTiles(
            f"{frame.width} x {frame.height} pixels take {frame.tiles * answers} tiles, and {MAX_TILES} are the most; "
            f"ask for a `side` of up to {max(fitting.width, fitting.height)}, or for another `fit`"
        )

    @classmethod
    def native(
        cls,
        picture: Size,
        native: Native,
        side: int | None = None,
        answers: int = 1,
        scale: int = 1,
    ) -> Frame:
        """The frame of a picture at its own size, or whose longer side is scaled to `side`.

        Args:
            answers: how many are asked for; together they have no more pixels than one may.
            scale: how many times as large the network makes it.

        Raises:
            TooManyPixels: the picture, or what is made of it.
        """
        inner = picture if side is None else _scaled(picture, side)
        if not _goes(inner, native, answers, scale):
            sizes = (_scaled(picture, longer) for longer in range(max(inner), 0, -1))
            width, height = next(size for size in sizes if _goes(size, native, answers, scale))
            enlarged = f", enlarged {scale} times" if scale > 1 else ""
            many = f", {answers} answers" if answers > 1 else ""
            raise TooManyPixels(
                f"{inner[0]} x {inner[1]} pixels{enlarged}{many}: more than this model makes; the largest picture of "
                f"this shape that it takes is {width} x {height}"
            )
        extent = _filled(inner, native)
        canvas = extent
        if math.prod(extent) > native.whole:
            tile = math.isqrt(native.whole) // native.multiple * native.multiple
            canvas = min(extent[0], tile), min(extent[1], tile)
        return cls(
            fit="native",
            width=inner[0] * scale,
            height=inner[1] * scale,
            canvas=canvas,
            scale=scale,
            reach=native.reach or 0,
            multiple=native.multiple,
        )

    @property
    def inner(self) -> Size:
        """The picture's size as the network sees it."""
        if self.fit == "native":
            return self.width // self.scale, self.height // self.scale
        if self.fit == "tile":
            return self.width, self.height
        if self.fit != "contain":
            return self.canvas
        scale = min(self.canvas[0] / self.width, self.canvas[1] / self.height)
        return max(1, round(self.width * scale)), max(1, round(self.height * scale))

    @property
    def tiles(self) -> int:
        """How many canvases the picture takes."""
        across, down = self._starts
        return len(across) * len(down)

    @property
    def images(self) -> int:
        """How many images of an ordinary model the work on it compares with."""
        if self.fit != "native":
            return self.tiles
        return self.tiles * -(-math.prod(self.canvas) // IMAGE)

    def suits(self, canvas: Size, native: Native | None) -> bool:
        """Whether a model takes its canvases whose own pictures have the size `canvas`."""
        if self.fit != "native":
            return self.canvas == canvas
        return native is not None and math.prod(self.canvas) <= native.whole

    def cut(self, pixels: np.ndarray) -> list[np.ndarray]:
        """The canvases of a picture of the size `inner`, uint8 [height, width, C] each; without its transparency."""
        pixels = pixels[:, :, : pixels.shape[2] - self.alpha]
        (width, height), (left, top), (across, down) = self.canvas, self._offset, self._extent
        below, right = down - pixels.shape[0] - top, across - pixels.shape[1] - left
        padded = np.pad(pixels, ((top, below), (left, right), (0, 0)), mode="symmetric")
        return [padded[y : y + height, x : x + width] for y, x in self._corners()]

    def join(self, canvases: Sequence[np.ndarray]) -> np.ndarray:
        """What the network made of `cut`, as one picture of the size `inner`, or of the answer's if that is `native`.

        Tiles fade into each other, or where they know enough of their surroundings, end side by side. What a network
        makes of another size than it takes is brought to that first.
        """
        canvases = [_resized(canvas, (self.canvas[0] * self.scale, self.canvas[1] * self.scale)) for canvas in canvases]
        width, height, left, top = (self.scale * length for length in (*self.inner, *self._offset))
        if len(canvases) == 1:
            whole = canvases[0]
        else:
            whole = self._abutted(canvases) if self.fit == "native" else self._blended(canvases)
        return whole[top : top + height, left : left + width]

    def _blended(self, canvases: Sequence[np.ndarray]) -> np.ndarray:
        weight = _hill(self.canvas[1])[:, None, None] * _hill(self.canvas[0])[:, None]
        extent = self._extent[::-1]
        total, share = np.zeros((*extent, canvases[0].shape[2]), np.float32), np.zeros((*extent, 1), np.float32)
        for (y, x), tile in zip(self._corners(), canvases, strict=True):
            here = slice(y, y + self.canvas[1]), slice(x, x + self.canvas[0])
            total[here] += weight * tile
            share[here] += weight
        return (total / share).round().astype(np.uint8)

    def _abutted(self, canvases: Sequence[np.ndarray]) -> np.ndarray:
        """Each tile over those before it, but for what it lacks surroundings for: there one of those has more."""
        across, down = (self.scale * length for length in self._extent)
        joined = np.empty((down, across, canvases[0].shape[2]), np.uint8)
        for (y, x), tile in zip(self._corners(), canvases, strict=True):
            top, left = (self.scale * (self.reach if start else 0) for start in (y, x))
            y, x = self.scale * y, self.scale * x
            joined[y + top : y + tile.shape[0], x + left : x + tile.shape[1]] = tile[top:, left:]
        return joined

    def restore(self, pixels: np.ndarray, given: np.ndarray | None = None) -> np.ndarray:
        """What `join` made at the answer's size, uint8 [height, width, C]; with the transparency that the picture was
        `given` with, as a channel behind the others.

        Raises:
            ValueError: the transparency is to be kept, and the picture is not `given`.
        """
        restored = _resized(pixels, (self.width, self.height))
        if not self.alpha:
            return restored
        if given is None:
            raise ValueError("without the picture that was given its transparency is not known")
        return unlaid(restored, _resized(given[:, :, -1:], (self.width, self.height)))

    @property
    def _extent(self) -> Size:
        """Of what the canvases cover: the picture, and what it is filled up with."""
        width, height = (-(-length // self.multiple) * self.multiple for length in self.inner)
        return max(self.canvas[0], width), max(self.canvas[1], height)

    @property
    def _offset(self) -> Size:
        """Where a picture that is smaller lies in the extent: in the middle."""
        (across, down), (width, height) = self._extent, self.inner
        return (across - width) // 2, (down - height) // 2

    @property
    def _starts(self) -> tuple[list[int], list[int]]:
        """Where tiles begin, across and down."""
        overlaps = [2 * self.reach if self.fit == "native" else canvas * _OVERLAP for canvas in self.canvas]
        along = zip(self._extent, self.canvas, overlaps, strict=True)
        across, down = (_spread(length, tile, overlap, self.multiple) for length, tile, overlap in along)
        return across, down

    def _corners(self) -> Iterator[tuple[int, int]]:
        """Top and left of each tile, row by row."""
        across, down = self._starts
        for top in down:
            for left in across:
                yield top, left


def _resized(pixels: np.ndarray, size: Size) -> np.ndarray:
    """A picture [H, W, C] at another size."""
    width, height = size
    if pixels.shape[:2] == (height, width):
        return pixels
    picture = Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)
    resized = np.asarray(picture.resize(size, Image.Resampling.BICUBIC))
    return resized.reshape(height, width, pixels.shape[2])


def unlaid(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """A picture that was laid over white, uint8 [H, W, 3], taken off it again: [H, W, 4] of [H, W, 1]. Over white it
    looks as before, and what cannot be seen is white."""
    share = np.maximum(alpha, 1).astype(np.float32) / 255
    colours = 255 - (255 - pixels.astype(np.float32)) / share
    return np.concatenate([colours.round().clip(0, 255).astype(np.uint8), alpha], axis=2)


def _goes(size: Size, native: Native, answers: int, scale: int) -> bool:
    """Whether a network takes so many pictures of a size."""
    taken = answers * math.prod(_filled(size, native)) <= native.limit
    return taken and answers * math.prod(size) * scale**2 <= MAX_ANSWER


def _filled(size: Size, native: Native) -> Size:
    """The sides as the network takes them."""
    width, height = (max(-(-length // native.multiple) * native.multiple, native.least) for length in size)
    return width, height


def _scaled(picture: Size, longer: int) -> Size:
    """Width and height of the picture scaled so that its longer side is `longer`."""
    scale = longer / max(picture)
    return max(1, round(picture[0] * scale)), max(1, round(picture[1] * scale))


def _spread(length: int, tile: int, overlap: float, multiple: int) -> list[int]:
    """Where tiles begin that cover a length, evenly spread, at multiples of a number that both are multiples of."""
    if length <= tile:
        return [0]
    step = tile - overlap if multiple == 1 else (tile - overlap) // multiple * multiple
    count = math.ceil((length - tile) / step) + 1
    return [round(index * (length - tile) / (count - 1) / multiple) * multiple for index in range(count)]


def _hill(length: int) -> np.ndarray:
    """Weights that rise from both ends over the overlap; never 0."""
    to_the_end = np.minimum(np.arange(length), np.arange(length)[::-1]) + 0.5
    return np.minimum(to_the_end / (length * _OVERLAP), 1).astype(np.float32)
