"""The picture of all models: of each a strip of what it makes, with its name above."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from models.card import Card, Task
from pictures import composition
from training.preview import UPSCALED

_COLUMNS, _ABREAST = 8, 3
"""Pictures of each model, and models beside each other."""
_SIDE, _GAP = 64, 2
_MARGIN = 18
"""Around the strips."""
_FONT = 16
_HEAD = 26
"""What a name takes above its strip."""


def highlights(card: Card, sheet: np.ndarray) -> list[np.ndarray]:
    """`_COLUMNS` pictures, uint8 [64, 64, 3]: the sheet's first samples, or its first inputs each beside what was made
    of it.

    Args:
        sheet: uint8 [H, W, 1 or 3], the model's.
    """
    side = (sheet.shape[1] + 2) // UPSCALED - 2 if card.scales else card.image.height
    step = side + 2

    def cell(row: int, column: int) -> np.ndarray:
        pixels = sheet[row * step : row * step + side, column * step : column * step + side]
        picture = Image.fromarray(pixels.squeeze()).convert("RGB")
        return np.asarray(picture.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS))

    if Task.SAMPLE in card.tasks or not (card.directions or card.scales):
        across = min((sheet.shape[1] + 2) // step, _COLUMNS)
        return [
            cell(place // across, place % across) for place in range(_COLUMNS) if place // across * step < len(sheet)
        ]
    return [cell(row, column) for row in range(_COLUMNS // 2) for column in (0, 1)]


def draw(strips: Sequence[tuple[str, list[np.ndarray]]]) -> np.ndarray:
    """The strips with their names, in turn, several abreast on white: uint8 [H, W, 3].

    Args:
        strips: names, and the pictures that `highlights` takes of each.
    """
    width = _COLUMNS * (_SIDE + _GAP) - _GAP + _MARGIN
    height = _HEAD + _SIDE + _MARGIN
    rows = -(-len(strips) // _ABREAST)
    sheet = Image.new("RGB", (_ABREAST * width + _MARGIN, rows * height + _MARGIN // 2), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(_FONT)
    for index, (name, pictures) in enumerate(strips):
        left, top = _MARGIN + index % _ABREAST * width, _MARGIN // 2 + index // _ABREAST * height
        pen.text((left, top + 2), name, "#222", font)
        sheet.paste(Image.fromarray(composition.grid(pictures, len(pictures), _GAP)), (left, top + _HEAD))
    return np.asarray(sheet)
