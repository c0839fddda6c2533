"""`easel gallery`: the docs' page that shows what translators make of pictures that they were not trained on, and what
models that fill in make of holes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from evaluation import hole_sheets
from evaluation.trained import Trained
from evaluation.upscaling import bicubic
from models import checkpoint
from models.capabilities import Completer, SamplingCompleter, Upscaler
from models.card import SOURCE_AND_TARGET, Card, Task
from models.model import Model, final_images
from models.nn.bicubic import reduced
from models.registry import Entry, Registry
from pictures import codec, composition
from tasks.inputs import input_model
from tasks.operation import to_pixels
from tasks.operations import OPERATIONS
from training import data
from training.data import Photographs, Source

ROWS = 5
STYLES = 3
"""Answers to one picture, of models that draw styles."""
LARGEST = 128
"""Side of a picture on a sheet, at most."""
CENTRE = 192
"""Side of what is shown of an enlarged photograph."""
QUALITY = 82

_HEAD = """# Translations

Made by `easel gallery`: what every translator that ships makes of held-out pictures, evenly spread over their split,
none chosen. *Back* is the way back from the picture beside it (`cycle`), *truth* the true answer where the data has it.
Styles are drawn with seeds 0, 1, 2. Figures and limits of each model are in [models.md](models.md).
"""


_HOLES = """# Holes

What every model that fills in makes of holes in held-out pictures, beside the surface that bends least (biharmonic) and
what was there. The masks are drawn with the seeds 0, 1, 2 …, as in training; none is chosen.
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


def write(registry: Registry, folder: Path) -> None:
    """Writes `folder/gallery.md`, and its sheets into `folder/gallery`.

    Raises:
        FileNotFoundError: a data set that a sheet needs is missing.
    """
    (folder / "gallery").mkdir(parents=True, exist_ok=True)
    sections = [_HEAD.rstrip()]
    shown = [(entry, trained) for entry in registry if (trained := Trained.of(entry.card)) is not None]
    for entry, trained in shown:
        card = entry.card
        if Task.TRANSLATE not in card.tasks:
            continue
        held_out = data.load(trained.spec.evaluation())
        model = checkpoint.read(entry.folder, card)
        sections.append(f"\n## {card.name}\n\n{card.summary}.")
        for strip in strips(card, held_out.paired):
            name = f"{card.name}-{strip.title.partition(':')[0].lower()}.webp"
            sheet = codec.encode(draw(model, card, strip, held_out), "webp", QUALITY)
            (folder / "gallery" / name).write_bytes(sheet)
            columns = ", ".join(("input", *strip.columns, *(["truth"] if strip.truth else [])))
            sections.append(f"\n{strip.title}. From left to right: {columns}.\n\n![{columns}](gallery/{name})")
    sections.append(f"\n{_HOLES.rstrip()}")
    for entry, trained in shown:
        model = checkpoint.read(entry.folder, entry.card)
        if isinstance(model, Completer | SamplingCompleter):
            sheet = _hole_sheet(entry.card.name, model, data.load(trained.spec.evaluation()), folder / "gallery")
            sections.append(f"\n## {entry.card.name}: holes\n\n{sheet}")
    sections += _enlarged(shown, folder / "gallery")
    (folder / "gallery.md").write_text("\n".join(sections) + "\n")


def _hole_sheet(name: str, model: Completer | SamplingCompleter, held_out: Source, folder: Path) -> str:
    """Writes the sheet of a model that fills in; how the page shows it."""
    file, columns = f"{name}-holes.webp", ", ".join(hole_sheets.columns(model))
    (folder / file).write_bytes(codec.encode(hole_sheets.draw(model, held_out), "webp", QUALITY))
    return f"From left to right: {columns}.\n\n![{columns}](gallery/{file})"


def _enlarged(shown: Sequence[tuple[Entry, Trained]], folder: Path) -> Iterator[str]:
    """The section of the upscalers, and their sheet: all of them beside each other, by the scale that all have."""
    models = {entry.card.name: (checkpoint.read(entry.folder, entry.card), trained) for entry, trained in shown}
    upscalers = {name: model for name, (model, _) in models.items() if isinstance(model, Upscaler)}
    if not upscalers:
        return
    scale = max(set.intersection(*(set(upscaler.scales) for upscaler in upscalers.values())))
    held_out = data.load(models[next(iter(upscalers))][1].spec.evaluation())
    if not isinstance(held_out, Photographs):
        raise TypeError(f"{held_out.spec.set} has no photographs at their own size")
    sheet = enlarged(list(upscalers.values()), held_out, scale)
    (folder / "enlarged.webp").write_bytes(codec.encode(sheet, "webp", QUALITY))
    columns = ", ".join(("bicubic interpolation", *upscalers, "truth"))
    yield (
        f"\n## Enlarged pictures\n\nThe centres of held-out photographs, reduced and enlarged {scale} times again. "
        f"From left to right: {columns}.\n\n![{columns}](gallery/enlarged.webp)"
    )


@torch.inference_mode()
def enlarged(upscalers: Sequence[Upscaler], held_out: Photographs, scale: int) -> np.ndarray:
    """What each makes of the reduced centres of `ROWS` photographs, between bicubic interpolation and the truth."""
    pictures = held_out.images
    shown = [pictures[(2 * row + 1) * len(pictures) // (2 * ROWS)] for row in range(ROWS)]
    side = min(CENTRE, *(length for picture in shown for length in picture.shape[1:])) // scale * scale
    cells: list[np.ndarray] = []
    for picture in shown:
        top, left = ((length - side) // 2 for length in picture.shape[1:])
        truth = data.to_float(picture[:, top : top + side, left : left + side])[None]
        small = reduced(truth, scale)
        made = [final_images(upscaler.upscale(small, scale)) for upscaler in upscalers]
        cells += list(to_pixels(torch.cat([bicubic(small, scale), *made, truth])))
    return composition.grid(cells, columns=len(cells) // ROWS)


def strips(card: Card, paired: bool) -> Iterator[Strip]:
    """The ways that a translator can be asked: each direction, or from any picture to each of its targets."""
    names = card.tasks[Task.TRANSLATE]
    for target in ("target", "targets"):
        if target in names:
            asked = [{target: name if target == "target" else [name]} for name in card.classes]
            yield Strip("targets", "images", asked, card.classes)
    for direction in card.directions:
        source, target = SOURCE_AND_TARGET[direction]
        domains = {"a": card.domains.get("A", "A"), "b": card.domains.get("B", "B")}
        words = f"{direction}: {domains[source]} to {domains[target]}"
        fields = source, target if paired else ""
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
    for row in range(ROWS):
        place = (2 * row + 1) * count // (2 * ROWS)
        given = _pixels(held_out, strip.field, place)
        cells += [given, *(made for asked in strip.asked for made in answers(model, card, given, asked))]
        cells += [_pixels(held_out, strip.truth, place)] if strip.truth else []
    return composition.grid([_small(cell) for cell in cells], columns=len(cells) // ROWS)


@torch.inference_mode()
def answers(model: Model, card: Card, given: np.ndarray, asked: dict[str, Any]) -> Sequence[np.ndarray]:
    """What a request with this picture, uint8 [H, W, C], and these inputs is answered with, as a worker does it."""
    operation = OPERATIONS[Task.TRANSLATE]
    inputs = input_model(card, Task.TRANSLATE).model_validate({"image": "picture:given", **asked})
    rows = operation.prepare(model, inputs, [given])
    made = to_pixels(final_images(operation.apply(model, rows.tensors, **rows.options)))
    return operation.finish(asked, [given], list(made)).pictures


def _pixels(held_out: Source, field: str, place: int) -> np.ndarray:
    return held_out.fields[field][place].permute(1, 2, 0).numpy()


def _small(pixels: np.ndarray) -> np.ndarray:
    if pixels.shape[1] <= LARGEST:
        return pixels
    picture = Image.fromarray(pixels.squeeze()).resize((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    return np.asarray(picture).reshape(LARGEST, LARGEST, -1)
