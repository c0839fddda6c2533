"""`easel report`: the page of the docs that shows every model, what it was trained on, and what it was measured at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from evaluation import overview
from evaluation.trained import Trained
from models import checkpoint
from models.card import CLASS_PICTURES, EXAMPLES, SHEET_FILE, Card, Task
from models.registry import Registry
from pictures import codec
from training import data
from training.data import Source
from training.preview import preview

_EXAMPLES = 4
_CENTRE = 160
_CLASS_SIDE = 96
_KINDS = {"a": "A", "b": "B", "images": "image"}

_HEAD = """# The models

Made by `easel report`, from the cards in `models/zoo`. Every figure was measured by `easel evaluate` on images that
were not trained on; `[name]` is the network whose features or verdicts were used, and `.floor` the same figure for
real training images, or for a translator's input before it is translated.
Samples are drawn with seeds 0, 1, 2 …, none chosen.

`frechet_distance`, `kernel_distance`, `classifier_score`, `precision` and `recall` have the formulas of FID, KID, the
Inception score and improved precision and recall, but on the features of our own judges: they rank models here, and
cannot be compared with figures on Inception's features. Likelihoods are in nats: of black and white pixels where the
table says so, else of 256 levels; only figures of the same kind compare. `parzen_nats` misleads (arXiv 1511.01844) and
stands for the papers that state it.
"""

_DRAWS = {Task.SAMPLE, Task.CONDITIONAL}

_LEAGUE = {
    "frechet_distance": "↓",
    "kernel_distance": "↓",
    "precision": "↑",
    "recall": "↑",
    "classifier_score": "↑",
    "conditional_accuracy": "↑",
    "nll_nats": "↓",
    "bits_per_dim": "↓",
    "neighbour_accuracy": "↑",
    "parzen_nats": "↑",
    "modes": "↑",
}
"""The columns of the league tables, and which way is better; the first ranks."""


def write(registry: Registry, folder: Path) -> None:
    """Writes `folder/models.md` and `folder/models/overview.webp`; into each model's folder its sample sheet,
    pictures to try it on if it takes any, and what the paintings look like that it knows.

    Raises:
        FileNotFoundError: a data set that a sheet needs is missing.
    """
    (folder / "models").mkdir(parents=True, exist_ok=True)
    sections, strips, shown = [], [], []
    for entry in registry:
        trained = Trained.of(entry)
        if trained is None:
            continue
        held_out = data.load(trained.spec.evaluation())
        sheet = preview(checkpoint.read(entry.folder, entry.card), held_out)
        if sheet is not None:
            (entry.folder / SHEET_FILE).write_bytes(codec.encode(sheet, "webp"))
            strips.append((entry.card.name, overview.highlights(entry.card, sheet)))
        shown.append(trained)
        if any({"image", "images"} & set(inputs) for inputs in entry.card.tasks.values()):
            _write_examples(entry.folder / EXAMPLES, held_out)
        if "style" in held_out.fields:
            _write_class_pictures(entry.folder / CLASS_PICTURES, held_out)
        sections.append(_section(trained, sheet is not None))
    (folder / "models" / "overview.webp").write_bytes(codec.encode(overview.draw(strips), "webp"))
    (folder / "models.md").write_text(_HEAD + _league(shown) + "\n".join(sections))


def _write_examples(folder: Path, held_out: Source) -> None:
    """Pictures to try the model on: `_EXAMPLES` of each domain, evenly spread over the data."""
    folder.mkdir(exist_ok=True)
    for field, kind in _KINDS.items():
        images = held_out.fields.get(field, ())
        for index in range(min(len(images), _EXAMPLES)):
            pixels = images[(2 * index + 1) * len(images) // (2 * _EXAMPLES)].permute(1, 2, 0).numpy()
            pixels = _centre(pixels) if isinstance(images, list) else pixels
            (folder / f"{kind}-{index}.png").write_bytes(codec.encode(pixels))


def _write_class_pictures(folder: Path, held_out: Source) -> None:
    """Of each painting a square, as it is labelled."""
    folder.mkdir(exist_ok=True)
    assert held_out.labels is not None
    for label, name in enumerate(held_out.classes):
        first = int((held_out.labels == label).nonzero()[0])
        painting = Image.fromarray(held_out.fields["style"][first].permute(1, 2, 0).numpy())
        small = painting.resize((_CLASS_SIDE, _CLASS_SIDE), Image.Resampling.LANCZOS)
        (folder / f"{name}.webp").write_bytes(codec.encode(np.asarray(small), "webp"))


def _centre(pixels: np.ndarray) -> np.ndarray:
    """Of a photograph at its own size, what is small enough to ship. [H, W, C] -> [h, w, C], up to `_CENTRE` each."""
    height, width = (min(_CENTRE, length) for length in pixels.shape[:2])
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width]


def _league(models: Sequence[Trained]) -> str:
    """For each data set, the models that draw from it side by side, the nearest to real images first."""
    lines = []
    for name in dict.fromkeys(each.data.name for each in models):
        cards = [each.card for each in models if each.data.name == name and _DRAWS & each.card.tasks.keys()]
        rows = [(card, _by_column(card)) for card in cards]
        shown = [column for column in _LEAGUE if any(column in found for _, found in rows)]
        if not shown:
            continue
        head = [f"{column} {better}" for column, better in _LEAGUE.items() if column in shown]
        lines += [f"\n## {name}\n", f"| model | {' | '.join(head)} |", "| --- |" + " --- |" * len(head)]
        floors = {column: value for _, found in rows for column, value in found.items() if column.endswith(".floor")}
        lines.append(_row("*real training images*", [floors.get(f"{column}.floor") for column in shown]))
        for card, found in sorted(rows, key=lambda row: row[1].get(next(iter(_LEAGUE)), float("inf"))):
            lines.append(_row(f"[{card.name}](#{card.name})", [found.get(column) for column in shown]))
    return "\n".join(lines) + "\n"


def _by_column(card: Card) -> dict[str, float]:
    """The card's figures by their names without the judge's."""
    return {re.sub(r"\[.*\]", "", metric.name): metric.value for metric in reversed(card.metrics)}


def _row(name: str, values: Iterable[float | None]) -> str:
    return f"| {name} | " + " | ".join("" if value is None else f"{value:g}" for value in values) + " |"


def _section(trained: Trained, with_sheet: bool) -> str:
    card, data, training, weights = trained.card, trained.data, trained.training, trained.card.weights
    made = f"{training.steps:,} steps, {training.images:,} images, {training.seconds / 60:.0f} min on {training.device}"
    lines = [
        f"\n## {card.name}\n",
        f"{card.summary}. Family `{card.family}`; tasks: {', '.join(card.tasks) or 'none (it judges others)'}.\n",
        f"- {weights.parameters:,} parameters, {weights.bytes / 1e6:.1f} MB; recipe `{training.recipe}`: {made}",
        f"- data: {data.name}/{data.split}, {data.count:,} images; licence: {card.licence}",
    ]
    if card.attributes:
        lines.append(f"- attributes: {'; '.join(f'`{name}`, {each.told}' for name, each in card.attributes.items())}")
    if card.limits:
        lines.append(f"- limits: {card.limits}")
    if card.metrics:
        lines += ["", "| figure | value | images | against | judge |", "| --- | --- | --- | --- | --- |"]
        lines += [
            f"| {metric.name} | {metric.value:g} | {metric.count:,} | {metric.reference} | {metric.extractor or ''} |"
            for metric in card.metrics
        ]
    if with_sheet:
        lines += ["", f"![samples of {card.name}](../models/zoo/{card.name}/{SHEET_FILE})"]
    return "\n".join(lines) + "\n"
