"""Pairs as pix2pix has them: each file is two pictures side by side, A on the left and B on the right."""

from __future__ import annotations

from pictures import codec
from training.datasets import pixels
from training.datasets.listing import Listing, Piece, Splits, by_split
from training.datasets.tree import Tree

_LOOKED_AT = 40
"""Pictures of a split whose shape is looked at."""


def find(tree: Tree) -> Splits | None:
    """Pictures of which nearly all are twice as wide as they are high."""
    return by_split(tree, _listed)


def _listed(tree: Tree, folder: str) -> Listing | None:
    files = tree.under(folder)
    shapes = [shape for name in files[:: max(1, len(files) // _LOOKED_AT)] if (shape := _shape(tree, name))]
    if not shapes or sum(width == 2 * height for width, height in shapes) < 0.9 * len(shapes):
        return None
    a, b = (tuple(Piece(name, half) for name in files) for half in ("left", "right"))
    return Listing({"a": a, "b": b}, paired=True)


def _shape(tree: Tree, name: str) -> tuple[int, int] | None:
    try:
        found = codec.header(tree.read(name), pixels.MAX_PIXELS)
    except codec.BadPicture:
        return None
    return found.width, found.height
