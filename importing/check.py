"""Holds an imported translator against a picture that the original code made, for what names and shapes do not tell.

The reference code cuts its levels off where Easel rounds them, so equal networks are up to one level apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from importing.errors import NotImportable
from importing.importer import assembled
from importing.layouts.layout import ImportSettings
from models.capabilities import Translator
from models.card import Card, Direction
from models.model import Model, final_images
from pictures.codec import BadPicture, decode
from tasks.operation import to_pixels, to_tensor

LEVELS = 1
"""How far pictures of equal networks may be apart."""
_MAX_PIXELS = 2**26
_OTHERS: tuple[tuple[str, dict[str, str]], ...] = (
    ("--padding replicate", {"padding": "replicate"}),
    ("--padding reflect", {"padding": "reflect"}),
    ("--statistics stored", {"statistics": "stored"}),
    ("--statistics picture", {"statistics": "picture"}),
)


@dataclass(frozen=True)
class Difference:
    """Between two pictures, in levels of 255."""

    largest: float
    mean: float

    @property
    def passes(self) -> bool:
        """Whether equal networks may have made both."""
        return self.largest <= LEVELS

    def __str__(self) -> str:
        return f"at most {self.largest:.0f} and on average {self.mean:.2f} of 255 levels apart"


@dataclass(frozen=True)
class Checked:
    """How far a model is from what the original made, and whether other options come nearer."""

    difference: Difference
    better: Mapping[str, Difference]
    """By the options, the nearest first."""


def check(
    card: Card,
    family: str | None,
    paths: Mapping[Direction, Path],
    settings: ImportSettings,
    given: Path,
    expected: Path,
) -> Checked:
    """Makes of `given` what the model of these files makes, in its first direction, and compares it with `expected`.

    Dropout is off meanwhile: no other program draws the same.

    Raises:
        NotImportable: it is no translator, or a picture cannot be read or has another size than the model's.
        OSError: a picture cannot be opened.
    """
    image, settings = card.image, replace(settings, dropout="off")
    try:
        pixels = decode(given.read_bytes(), image, _MAX_PIXELS, stretched=card.fit == "stretch")
        with Image.open(expected) as opened:
            if opened.size != (image.width, image.height):
                sizes = "{} x {} pixels, and the model makes {} x {} (--size)"
                raise NotImportable(f"{expected} has {sizes.format(*opened.size, image.width, image.height)}")
            wanted = np.asarray(opened.convert(image.mode)).reshape(image.height, image.width, image.channels)
    except BadPicture as error:
        raise NotImportable(f"{given}: {error}") from None

    def apart(settings: ImportSettings) -> Difference:
        made = _made(assembled(family, paths, settings), pixels, card.directions[0])
        levels = np.abs(made.astype(np.int16) - wanted)
        return Difference(float(levels.max()), float(levels.mean()))

    difference = apart(settings)
    if difference.passes:
        return Checked(difference, {})
    tried = {words: apart(replace(settings, **other)) for words, other in _OTHERS if not _has(settings, other)}
    nearer = {words: each for words, each in tried.items() if each.mean < difference.mean}
    return Checked(difference, dict(sorted(nearer.items(), key=lambda item: item[1].mean)))


def _has(settings: ImportSettings, other: Mapping[str, str]) -> bool:
    return all(getattr(settings, name) == value for name, value in other.items())


@torch.inference_mode()
def _made(model: Model, pixels: np.ndarray, direction: Direction) -> np.ndarray:
    if not isinstance(model, Translator):
        raise NotImportable("only a translator's picture can be compared with one of the original code")
    return to_pixels(final_images(model.translate(to_tensor([pixels]), direction)))[0]
