"""`easel gallery`: the docs' page that shows what models make of pictures that they were not trained on."""

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
from evaluation.upscaling import Upscale, bicubic
from models import checkpoint
from models.capabilities import Completer, SamplingCompleter, Upscaler, require
from models.card import SOURCE_AND_TARGET, Card, Task
from models.model import Model, final_images
from models.nn.bicubic import reduced
from models.registry import Entry, Registry
from pictures import codec, composition
from tasks.inputs import input_model
from tasks.operation import to_pixels
from tasks.operations import OPERATIONS
from training import data
from training.data import Source

ROWS = 5
STYLES = 3
"""Answers to one picture, of models that draw styles."""
LARGEST = 128
"""Side of a picture on a sheet, at most."""
CENTRE = 192
"""Side of what is shown of an enlarged photograph."""
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
    for entry in (entry for entry in registry if _SHOWN & entry.card.tasks.keys()):
        card, trained = entry.card, Trained.of(entry)
        if trained is None:
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
    for entry in (entry for entry in registry if Task.INPAINT in entry.card.tasks):
        if trained := Trained.of(entry):
            sections.append(f"\n## {entry.card.name}: holes\n\n{_hole_sheet(entry, trained, folder / 'gallery')}")
    sections += _enlarged(registry, folder / "gallery")
    (folder / "gallery.md").write_text("\n".join(sections) + "\n")


def _hole_sheet(entry: Entry, trained: Trained, folder: Path) -> str:
    """Writes the sheet of a model that fills in; how the page shows it."""
    held_out = data.load(trained.spec.evaluation())
    model = checkpoint.read(entry.folder, entry.card)
    if not isinstance(model, Completer | SamplingCompleter):
        raise TypeError(f"{entry.card.name} fills in nothing")
    name, columns = f"{entry.card.name}-holes.webp", ", ".join(hole_sheets.columns(model))
    (folder / name).write_bytes(codec.encode(hole_sheets.draw(model, held_out), "webp", QUALITY))
    return f"From left to right: {columns}.\n\n![{columns}](gallery/{name})"


def _enlarged(registry: Registry, folder: Path) -> Iterator[str]:
    """The section of the upscalers, and their sheet: all of them beside each other, by the scale that all have."""
    entries = [entry for entry in registry if entry.card.scales]
    trained = next((found for entry in entries if (found := Trained.of(entry))), None)
    if trained is None:
        return
    scale = max(set.intersection(*(set(entry.card.scales) for entry in entries)))
    held_out = data.load(trained.spec.evaluation())
    upscalers = [_upscale(require(checkpoint.read(entry.folder, entry.card), Upscaler)) for entry in entries]
    (folder / "enlarged.webp").write_bytes(codec.encode(enlarged(upscalers, held_out, scale), "webp", QUALITY))
    columns = ", ".join(("bicubic interpolation", *(entry.card.name for entry in entries), "truth"))
    yield (
        f"\n## Enlarged pictures\n\nThe centres of held-out photographs, reduced and enlarged {scale} times again. "
        f"From left to right: {columns}.\n\n![{columns}](gallery/enlarged.webp)"
    )


def _upscale(upscaler: Upscaler) -> Upscale:
    return lambda images, scale: final_images(upscaler.upscale(images, scale))


@torch.inference_mode()
def enlarged(upscalers: Sequence[Upscale], held_out: Source, scale: int) -> np.ndarray:
    """What each makes of the reduced centres of `ROWS` photographs, between bicubic interpolation and the truth."""
    pictures = held_out.fields["images"]
    shown = [pictures[(2 * row + 1) * len(pictures) // (2 * ROWS)] for row in range(ROWS)]
    side = min(CENTRE, *(length for picture in shown for length in picture.shape[1:])) // scale * scale
    cells = []
    for picture in shown:
        top, left = ((length - side) // 2 for length in picture.shape[1:])
        truth = data.to_float(picture[:, top : top + side, left : left + side])[None]
        made = [upscale(reduced(truth, scale), scale) for upscale in (bicubic, *upscalers)]
        cells += list(to_pixels(torch.cat([*made, truth])))
    return composition.grid(cells, columns=len(cells) // ROWS)


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
    made = to_pixels(final_images(operation.apply(model, rows.tensors, **rows.options)))
    return operation.finish(asked, [given], list(made)).pictures


def _pixels(held_out: Source, field: str, place: int) -> np.ndarray:
    return held_out.fields[field][place].permute(1, 2, 0).numpy()


def _small(pixels: np.ndarray, largest: int) -> np.ndarray:
    if pixels.shape[1] <= largest:
        return pixels
    picture = Image.fromarray(pixels.squeeze()).resize((largest, largest), Image.Resampling.LANCZOS)
    return np.asarray(picture).reshape(largest, largest, -1)
