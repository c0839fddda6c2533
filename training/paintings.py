"""Photographs, and paintings in whose manner they are to be shown."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

_CUTS = 16
"""Of each painting."""
_LARGEST = 1.25
"""A painting's shorter side, as a multiple of the cuts' side."""


@dataclass(frozen=True)
class Gallery:
    """Squares, uint8 [N, side, side, 3] each."""

    photographs: np.ndarray
    paintings: np.ndarray
    """`_CUTS` of each, one after another."""
    names: tuple[str, ...]
    """Of the paintings."""


def read(archives: Mapping[str, Path], held_out: bool, side: int) -> Gallery:
    """The pictures of the sets `style` and `sr`.

    Args:
        held_out: the photographs are others, the paintings the same.
    """
    with zipfile.ZipFile(archives["style"]) as opened:
        lines = opened.read("style/metadata.jsonl").decode().splitlines()
        files = sorted(json.loads(line)["file_name"] for line in lines)
        paintings = {Path(file).stem: _picture(opened, f"style/{file}") for file in files}
        photographs = [] if held_out else _squares(opened, "content", side)
    if held_out:
        with zipfile.ZipFile(archives["sr"]) as opened:
            photographs = _squares(opened, "train/BSDS", side)
    chance = np.random.default_rng(0)
    cuts = [_cut(painting, side, chance) for painting in paintings.values() for _ in range(_CUTS)]
    return Gallery(np.stack(photographs), np.stack(cuts), tuple(name.replace("_", "-") for name in paintings))


def _squares(opened: zipfile.ZipFile, folder: str, side: int) -> list[np.ndarray]:
    """The middle of each picture in a folder."""
    names = sorted(name for name in opened.namelist() if name.startswith(f"{folder}/") and name.endswith(".jpg"))
    return [_middle(_picture(opened, name), side) for name in names]


def _middle(picture: Image.Image, side: int) -> np.ndarray:
    short = min(picture.size)
    left, top = (picture.width - short) // 2, (picture.height - short) // 2
    return np.asarray(_scaled(picture.crop((left, top, left + short, top + short)), side))


def _cut(picture: Image.Image, side: int, chance: np.random.Generator) -> np.ndarray:
    """A square of the picture at random, scaled so that its shorter side is `_LARGEST` squares."""
    picture = _scaled(picture, round(_LARGEST * side))
    left, top = (int(chance.integers(length - side + 1)) for length in picture.size)
    return np.asarray(picture.crop((left, top, left + side, top + side)))


def _scaled(picture: Image.Image, short: int) -> Image.Image:
    """The picture with a shorter side of `short` pixels."""
    share = short / min(picture.size)
    return picture.resize((round(picture.width * share), round(picture.height * share)), Image.Resampling.BICUBIC)


def _picture(opened: zipfile.ZipFile, name: str) -> Image.Image:
    return Image.open(io.BytesIO(opened.read(name))).convert("RGB")
