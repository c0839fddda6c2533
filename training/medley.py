"""Many sources as the classes of one set: what a feature network learns to tell apart.

Ten kinds of things, zebras, faces of six kinds, facades, ten paintings, and single photographs, each of which is a
class of its own whose examples are cuts of it (Dosovitskiy et al. 2014, arXiv 1406.6909).
"""

from __future__ import annotations

import csv
import io
import math
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

_CUTS = 40
"""Of each photograph; of a painting ten times as many."""
_FACES = ("woman", "smiling woman", "man", "smiling man", "eyeglasses", "hat")

Labelled = Iterator[tuple[str, Image.Image]]
"""Pictures, each with the name of its class."""


def read(archives: Mapping[str, Path], held_out: bool, side: int) -> tuple[np.ndarray, list[str]]:
    """The pictures, uint8 [N, side, side, 3], and the class of each.

    Args:
        archives: of the sets `cifar10`, `horse2zebra`, `faces`, `facades`, `style` and `sr`.
        held_out: what is not trained on; of paintings and photographs other cuts.
    """
    pixels, names = [], []
    for part, pictures in _PARTS.items():
        with zipfile.ZipFile(archives[part]) as opened:
            for name, picture in pictures(opened, held_out):
                pixels.append(np.asarray(picture.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)))
                names.append(name)
    return np.stack(pixels), names


def _things(opened: zipfile.ZipFile, held_out: bool) -> Labelled:
    for name in _members(opened, "test" if held_out else "train"):
        yield name.parent.name, _open(opened, name)


def _horses(opened: zipfile.ZipFile, held_out: bool) -> Labelled:
    """Zebras, and more of the horses that `cifar10` has."""
    for letter, label in (("A", "horse"), ("B", "zebra")):
        for name in _members(opened, ("test" if held_out else "train") + letter):
            yield label, _open(opened, name)


def _faces(opened: zipfile.ZipFile, held_out: bool) -> Labelled:
    split = "test" if held_out else "train"
    table = io.StringIO(opened.read(f"{split}/attributes.csv").decode())
    for row in csv.DictReader(table):
        if row["Eyeglasses"] == "1" or row["Wearing_Hat"] == "1":
            label = "eyeglasses" if row["Eyeglasses"] == "1" else "hat"
        else:
            label = _FACES[2 * int(row["Male"]) + int(row["Smiling"])]
        yield label, _open(opened, PurePosixPath(split, "faces", row["image_id"]))


def _facades(opened: zipfile.ZipFile, held_out: bool) -> Labelled:
    """Five cuts of each photograph, which is the left half."""
    chance = np.random.default_rng(0)
    for name in _members(opened, "val" if held_out else "train"):
        picture = _open(opened, name)
        photograph = picture.crop((0, 0, picture.width // 2, picture.height))
        for _ in range(1 if held_out else 5):
            yield "facade", _cut(photograph, chance)


def _style(opened: zipfile.ZipFile, held_out: bool) -> Labelled:
    """The paintings, and the photographs beside them."""
    yield from _cuts(opened, "style", held_out, 10 * _CUTS, "painting ")
    yield from _cuts(opened, "content", held_out, _CUTS, "photograph ")


def _photographs(opened: zipfile.ZipFile, held_out: bool) -> Labelled:
    yield from _cuts(opened, "train/BSDS", held_out, _CUTS, "photograph ")


_PARTS: dict[str, Callable[[zipfile.ZipFile, bool], Labelled]] = {
    "cifar10": _things,
    "horse2zebra": _horses,
    "faces": _faces,
    "facades": _facades,
    "style": _style,
    "sr": _photographs,
}


def _cuts(opened: zipfile.ZipFile, folder: str, held_out: bool, count: int, kind: str) -> Labelled:
    chance = np.random.default_rng(int(held_out))
    for name in _members(opened, folder):
        picture = _open(opened, name)
        for _ in range(count // 10 if held_out else count):
            yield kind + name.stem.replace("_", " "), _cut(picture, chance)


def _cut(picture: Image.Image, chance: np.random.Generator) -> Image.Image:
    """A square of the picture at random, its side anything from 64 pixels to nearly all (evenly in octaves)."""
    side = round(64 * 2 ** chance.uniform(0, math.log2(0.9 * min(picture.size) / 64)))
    left, top = (int(chance.integers(length - side + 1)) for length in picture.size)
    return picture.crop((left, top, left + side, top + side))


def _members(opened: zipfile.ZipFile, folder: str) -> list[PurePosixPath]:
    return [
        PurePosixPath(name)
        for name in sorted(opened.namelist())
        if name.startswith(f"{folder}/") and name.endswith((".png", ".jpg"))
    ]


def _open(opened: zipfile.ZipFile, name: PurePosixPath) -> Image.Image:
    return Image.open(io.BytesIO(opened.read(str(name))))
