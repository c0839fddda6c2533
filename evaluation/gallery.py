"""`easel gallery`: the docs' page that shows what models make of pictures that they were not trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from models import checkpoint
from models.card import Card, Task
from models.model import Model
from models.registry import Registry
from pictures import codec, composition
from tasks.inputs import input_model
from tasks.operations import OPERATIONS, to_pixels, whole
from training import data, recipe
from training.data import Source

ROWS = 5
STYLES = 3
"""Answers to one picture, of models that draw styles."""
LARGEST = 128
"""Side of a picture on a sheet, at most."""
STYLIZED, DREAMS, LARGE = 6, 4, 192
"""Photographs in the manner of each painting, and with dreams of each layer; and the side of these, at most."""
DREAMT_OF = ("zebra", "facade", "smiling woman", "painting starry night")
"""Classes that dreams are shown of."""
QUALITY = 82

_SHOWN = {Task.TRANSLATE, Task.STYLIZE, Task.DREAM}

_HEAD = """# What becomes of pictures

Made by `easel gallery`: what every model that ships makes of held-out pictures, evenly spread over their split, if it
translates, stylizes or dreams; none chosen. *Back* is the way back from the picture beside it (`cycle`), *truth* the
true answer where the data has it. Styles of translators are drawn with seeds 0, 1, 2. Figures and limits of each model
are in [models.md](models.md).
"""


@dataclass(frozen=True)
class Strip:
    """One way that a model is asked, as columns of pictures."""

    title: str
    field: str
    """The data's field that the pictures given are of."""
    asked: Sequence[dict[str, Any]]
    """Inputs, one request each."""
    columns: tuple[str, ...]
    """What the answers are called."""
    truth: str = ""
    """The data's field of the true answers."""
    task: Task = Task.TRANSLATE
    rows: int = ROWS
    largest: int = LARGEST


def write(registry: Registry, folder: Path) -> None:
    """Writes `folder/gallery.md`, and its sheets into `folder/gallery`.

    Raises:
        FileNotFoundError: a data set that a sheet needs is missing.
    """
    (folder / "gallery").mkdir(parents=True, exist_ok=True)
    sections = [_HEAD.rstrip()]
    for entry in registry:
        card = entry.card
        if card.training is None or not _SHOWN & card.tasks.keys():
            continue
        held_out = data.load(recipe.of(card.training).data.evaluation())
        model = checkpoint.read(entry.folder, card)
        sections.append(f"\n## {card.name}\n\n{card.summary}.")
        for strip in strips(card, held_out.paired):
            name = f"{card.name}-{strip.title.partition(':')[0].lower()}.webp"
            sheet = codec.encode(draw(model, card, strip, held_out), "webp", QUALITY)
            (folder / "gallery" / name).write_bytes(sheet)
            columns = ", ".join(("input", *strip.columns, *(["truth"] if strip.truth else [])))
            sections.append(f"\n{strip.title}. From left to right: {columns}.\n\n![{columns}](gallery/{name})")
    (folder / "gallery.md").write_text("\n".join(sections) + "\n")


def strips(card: Card, paired: bool) -> Iterator[Strip]:
    """The ways that a model can be asked: each direction, from any picture to each target, class or layer."""
    if Task.TRANSLATE in card.tasks:
        yield from _translations(card, paired)
    if Task.STYLIZE in card.tasks and card.classes:
        asked = [{"label": name} for name in card.classes]
        yield Strip("styles", "images", asked, card.classes, task=Task.STYLIZE, rows=STYLIZED, largest=LARGE)
    if Task.DREAM in card.tasks:
        asked = [*({"layer": name} for name in card.layers), *({"label": name} for name in DREAMT_OF)]
        columns = *card.layers, *DREAMT_OF
        yield Strip("dreams", "images", asked, columns, task=Task.DREAM, rows=DREAMS, largest=LARGE)


def _translations(card: Card, paired: bool) -> Iterator[Strip]:
    names = card.tasks[Task.TRANSLATE]
    for target in ("target", "targets"):
        if target in names:
            asked = [{target: name if target == "target" else [name]} for name in card.classes]
            yield Strip("targets", "images", asked, card.classes)
    for direction in card.directions:
        source, aim = direction[0], direction[-1]
        words = f"{direction}: {card.domains.get(source, source)} to {card.domains.get(aim, aim)}"
        fields = source.lower(), aim.lower() if paired else ""
        if "n" in names:
            styles = tuple(f"style {index + 1}" for index in range(STYLES))
            yield Strip(words, fields[0], [{"direction": direction, "n": STYLES, "seed": 0}], styles, fields[1])
        else:
            back = {"cycle": True} if "cycle" in names else {}
            columns = ("output", "back") if back else ("output",)
            yield Strip(words, fields[0], [{"direction": direction, **back}], columns, fields[1])


def draw(model: Model, card: Card, strip: Strip, held_out: Source) -> np.ndarray:
    """The sheet of a strip, uint8 [H, W, C]: a row for each picture."""
    cells: list[np.ndarray] = []
    count = len(held_out.fields[strip.field])
    for row in range(strip.rows):
        place = (2 * row + 1) * count // (2 * strip.rows)
        given = _pixels(held_out, strip.field, place)
        cells += [given, *(made for asked in strip.asked for made in answers(model, card, given, asked, strip.task))]
        cells += [_pixels(held_out, strip.truth, place)] if strip.truth else []
    return composition.grid([_small(cell, strip.largest) for cell in cells], columns=len(cells) // strip.rows)


@torch.inference_mode()
def answers(
    model: Model, card: Card, given: np.ndarray, asked: dict[str, Any], task: Task = Task.TRANSLATE
) -> Sequence[np.ndarray]:
    """What a request with this picture, uint8 [H, W, C], and these inputs is answered with, as a worker does it."""
    operation = OPERATIONS[task]
    inputs = input_model(card, task).model_validate({"image": "picture:given", **asked})
    rows = operation.prepare(model, inputs, [given])
    made = to_pixels(whole(operation.apply(model, rows.tensors, **rows.options)))
    return operation.finish(asked, [given], made).pictures


def _pixels(held_out: Source, field: str, place: int) -> np.ndarray:
    return held_out.fields[field][place].permute(1, 2, 0).numpy()


def _small(pixels: np.ndarray, largest: int) -> np.ndarray:
    if pixels.shape[1] <= largest:
        return pixels
    picture = Image.fromarray(pixels.squeeze()).resize((largest, largest), Image.Resampling.LANCZOS)
    return np.asarray(picture).reshape(largest, largest, -1)
