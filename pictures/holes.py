"""Holes in pictures of any size: what a network of one size is shown of their surroundings, and its answers put back.

Imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from pictures.formats import ImageFormat
from pictures.framing import Size

MAX_PIXELS = 2**22
"""Most pixels of a picture whose holes are filled."""
MAX_CROPS = 16
"""Most parts of one picture that are shown to a network."""
_CONTEXT = 2
"""How many times as wide as a hole what is shown of it is, at least."""
_LONG = 2
"""A hole that is so many times as long as it is wide is filled in parts."""


class BadMask(ValueError):
    """A mask that says of no pixel, or of every, that it is to be filled in, or is of another size than the picture."""


class Box(BaseModel):
    """Some columns and rows of a picture, the last ones left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    left: int
    top: int
    right: int
    bottom: int

    @property
    def longer(self) -> int:
        """The longer side."""
        return max(self.right - self.left, self.bottom - self.top)


class Crop(BaseModel):
    """A square of a picture, which may reach beyond its edges: there the picture is mirrored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    left: int
    top: int
    side: int


class Holes(BaseModel):
    """How the holes of one picture go through a network: each in a square around it, scaled to the network's size.

    The network sees of its surroundings what it was trained to see, at its own scale where the hole is small enough.
    Pixels outside of the mask are never touched.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int
    height: int
    channels: int = Field(description="of the picture: 1, 3, or 4 with transparency")
    canvas: int = Field(description="side of what the network takes")
    hole: int = Field(0, description="side of the square in the middle of it to which holes are confined; 0: anywhere")
    crops: tuple[Crop, ...]

    @classmethod
    def of(cls, mask: np.ndarray, channels: int, canvas: int, hole: int = 0) -> Holes:
        """The holes that a mask shows, bool [height, width].

        Raises:
            BadMask: it shows none, or nothing else.
        """
        if not mask.any():
            raise BadMask("the mask marks no pixel: make white, or transparent, what is to be filled in")
        if mask.all():
            raise BadMask("the mask marks every pixel; something of the picture must stay, to go by")
        height, width = mask.shape
        within = hole or canvas // _CONTEXT
        crops = [_around(box, (width, height), canvas, hole) for box in _boxes(mask, within)]
        return cls(width=width, height=height, channels=channels, canvas=canvas, hole=hole, crops=tuple(crops))

    def cut(self, picture: np.ndarray, mask: np.ndarray, wanted: ImageFormat) -> list[tuple[np.ndarray, np.ndarray]]:
        """What the network is shown of each crop, uint8 [canvas, canvas, C], and which of it is hidden: 255, else 0.

        A pixel of it that has any part of the hole is hidden, and of what is hidden nothing shows in the others.

        Args:
            picture: uint8 [height, width, channels].
            mask: bool [height, width].
            wanted: of the network's pictures.
        """
        shown = _converted(picture, wanted)
        filler = shown[~mask].mean(axis=0)
        parts = []
        for crop in self.crops:
            rows, columns = (
                _mirrored(start, crop.side, length)
                for start, length in ((crop.top, self.height), (crop.left, self.width))
            )
            hidden, pixels = mask[rows[:, None], columns], shown[rows[:, None], columns].astype(np.float32)
            pixels[hidden] = pixels[~hidden].mean(axis=0) if not hidden.all() else filler
            shrinks = crop.side > self.canvas
            kernel = Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR
            touched = _resized(hidden.astype(np.float32)[:, :, None], self.canvas, kernel) > 0
            scaled = _resized(pixels, self.canvas, kernel).round().clip(0, 255).astype(np.uint8)
            parts.append((scaled, touched.astype(np.uint8) * 255))
        return parts

    def fill(self, picture: np.ndarray, mask: np.ndarray, made: Sequence[np.ndarray]) -> np.ndarray:
        """The picture, filled with what the network made of each crop, uint8 [canvas, canvas, C]; opaque where it is.

        Where several crops have a pixel, the one counts most in whose middle it lies.
        """
        filled = picture.copy()
        colours = min(self.channels, 3)
        total = np.zeros((self.height, self.width, colours), np.float32)
        share = np.zeros((self.height, self.width, 1), np.float32)
        for crop, canvas in zip(self.crops, made, strict=True):
            pixels = _resized(canvas.astype(np.float32), crop.side, Image.Resampling.BICUBIC)
            weight = self._weight(crop.side)
            top, left = max(crop.top, 0), max(crop.left, 0)
            bottom, right = min(crop.top + crop.side, self.height), min(crop.left + crop.side, self.width)
            inside = slice(top - crop.top, bottom - crop.top), slice(left - crop.left, right - crop.left)
            total[top:bottom, left:right] += (weight * pixels)[inside]
            share[top:bottom, left:right] += weight[inside]
        values = (total[mask] / share[mask]).round().clip(0, 255).astype(np.uint8)
        filled[mask, :colours] = values
        if self.channels == 4:
            filled[mask, 3] = 255
        return filled

    def _weight(self, side: int) -> np.ndarray:
        """What each pixel of a crop counts for, [side, side, 1]: the less, the farther from the middle."""
        reach = side * self.hole / self.canvas / 2 if self.hole else side / 2
        from_middle = np.abs(np.arange(side) + 0.5 - side / 2)
        along = np.maximum(1 - from_middle / (reach + 1), 0).astype(np.float32)
        return (along[:, None] * along)[:, :, None] ** 2


def _converted(picture: np.ndarray, wanted: ImageFormat) -> np.ndarray:
    """A picture with the network's channels, what is transparent laid over white. uint8 [H, W, C]."""
    channels = picture.shape[2]
    if channels == 4:
        alpha = picture[:, :, 3:].astype(np.float32) / 255
        over_white = picture[:, :, :3] * alpha + 255 * (1 - alpha)
        picture = over_white.round().astype(np.uint8)
    if wanted.channels == 1 and channels > 1:
        return np.asarray(Image.fromarray(picture).convert("L"))[:, :, None]
    return picture


def _resized(pixels: np.ndarray, side: int, kernel: Image.Resampling) -> np.ndarray:
    """float32 [H, W, C] -> [side, side, C]."""
    planes = [np.asarray(Image.fromarray(plane).resize((side, side), kernel)) for plane in np.moveaxis(pixels, 2, 0)]
    return np.stack(planes, axis=2)


def _mirrored(start: int, count: int, length: int) -> np.ndarray:
    """The places from `start` on in a row of `length`, which is mirrored at its ends as often as it takes."""
    places = np.arange(start, start + count) % (2 * length)
    return np.where(places < length, places, 2 * length - 1 - places)


def _boxes(mask: np.ndarray, within: int) -> list[Box]:
    """Boxes that hold all that a mask marks, each longer than `within` only where it cannot be parted any more, or
    `MAX_CROPS` are reached: at empty columns and rows (the XY-cut of Nagy and Seth 1984), and across what is long."""
    whole = Box(left=0, top=0, right=mask.shape[1], bottom=mask.shape[0])
    open_, done = [_tight(mask, whole)], []
    while open_ and len(open_) + len(done) < MAX_CROPS:
        box = max(open_, key=lambda each: each.longer)
        open_.remove(box)
        halves = _parted(mask, box) if box.longer > within else None
        if halves is None:
            done.append(box)
        else:
            open_ += halves
    return sorted([*done, *open_], key=lambda box: (box.top, box.left))


def _parted(mask: np.ndarray, box: Box) -> list[Box] | None:
    """A box in two: in the middle of its widest gap; without one, across its longer side; None of a compact one."""
    marked = mask[box.top : box.bottom, box.left : box.right]
    across, down = _gap(np.any(marked, axis=0)), _gap(np.any(marked, axis=1))
    width, height = box.right - box.left, box.bottom - box.top
    if across is None and down is None:
        if box.longer < _LONG * min(width, height):
            return None
        across, down = ((width // 2, 0), None) if width > height else (None, (height // 2, 0))
    if across is not None and (down is None or across[1] >= down[1]):
        at = box.left + across[0]
        halves = box.model_copy(update={"right": at}), box.model_copy(update={"left": at})
    elif down is not None:
        at = box.top + down[0]
        halves = box.model_copy(update={"bottom": at}), box.model_copy(update={"top": at})
    else:
        return None
    return [_tight(mask, half) for half in halves]


def _gap(marked: np.ndarray) -> tuple[int, int] | None:
    """Middle and width of the widest run of places between marked ones."""
    places = np.flatnonzero(marked)
    widths = np.diff(places) - 1
    if not widths.size or not widths.max():
        return None
    widest = int(widths.argmax())
    return int(places[widest] + places[widest + 1] + 1) // 2, int(widths[widest])


def _tight(mask: np.ndarray, box: Box) -> Box:
    """The part of a box that holds what is marked in it."""
    marked = mask[box.top : box.bottom, box.left : box.right]
    columns, rows = np.flatnonzero(marked.any(axis=0)), np.flatnonzero(marked.any(axis=1))
    return Box(
        left=box.left + int(columns[0]),
        top=box.top + int(rows[0]),
        right=box.left + int(columns[-1]) + 1,
        bottom=box.top + int(rows[-1]) + 1,
    )


def _around(box: Box, picture: Size, canvas: int, hole: int) -> Crop:
    """The square that is shown of a box: within the picture, unless holes are confined to the square's middle."""
    if not hole:
        side = max(min(max(canvas, _CONTEXT * box.longer), max(picture)), box.longer)
        left, top = (
            min(max(_centred(start, end, side), 0), length - side) if side <= length else (length - side) // 2
            for start, end, length in ((box.left, box.right, picture[0]), (box.top, box.bottom, picture[1]))
        )
        return Crop(left=left, top=top, side=side)
    side = canvas if box.longer <= hole else math.ceil((box.longer + 2) * canvas / hole)
    reach = math.floor(side * hole / canvas)
    corner = []
    for start, end, length in ((box.left, box.right, picture[0]), (box.top, box.bottom, picture[1])):
        before = (side - reach + 1) // 2
        inside = (
            min(max(_centred(start, end, side), 0), length - side) if side <= length else _centred(start, end, side)
        )
        corner.append(min(max(inside, end - before - reach), start - before))
    return Crop(left=corner[0], top=corner[1], side=side)


def _centred(start: int, end: int, side: int) -> int:
    return (start + end - side) // 2
