"""What a data set of one's own is, before it is trained on: its layout, its pictures, and what is wrong with them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from pictures import codec, composition
from training.datasets import pixels
from training.datasets.cache import Told, decoded
from training.datasets.layouts import TOLD, read_as, recognise
from training.datasets.listing import TEST, TRAIN, Listing, Splits
from training.datasets.splits import divided
from training.datasets.tree import Tree, read_tree

FEW = 100
"""Fewer pictures than these make a model that has learned them by heart."""
_THUMBNAIL = 64
_MEASURED = 500
"""Pictures whose size is looked at."""
_SHOWN = 48
"""Pictures on a contact sheet."""
_COMPARED = 50
"""Pictures that each is compared with at most, of each band."""
_ALIKE = 3.0
"""Levels by which the thumbnails of pictures that look the same differ on average."""


@dataclass(frozen=True)
class Report:
    """What was found."""

    layout: str
    """In words."""
    divided: bool
    """Whether somebody divided the pictures into those that are trained on and others."""
    splits: Splits
    """Without what is broken."""
    sizes: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    """Width and height of the smallest, the middle and the largest picture, of those that were measured."""
    grey: bool
    broken: dict[str, str]
    """What is wrong with each file that is left out."""
    equal: list[tuple[str, ...]]
    """Files of the same content."""
    alike: list[tuple[str, ...]]
    """Pictures that look the same, though their files differ."""
    remarks: tuple[str, ...]
    """What else should be known, as sentences."""
    sheet: np.ndarray
    """uint8 [H, W, 3], some of the pictures; of two domains in turn."""


def check(path: Path, layout: str = "", told: Told | None = None) -> Report:
    """Looks at every picture once.

    Raises:
        FileNotFoundError: there is nothing.
        ValueError: no picture is there, or none that can be read.
    """
    tree = read_tree(path)
    name, found = (layout, read_as(layout, tree)) if layout else recognise(tree)
    splits: Splits = {}
    thumbnails: dict[str, dict[str, Tensor]] = {}
    broken: dict[str, str] = {}
    parts = divided(tree, found)
    for split, listing in parts.items():
        each = decoded(tree, listing, _THUMBNAIL, 3, told)
        splits[split], thumbnails[split] = each.listing, each.fields
        broken |= each.broken
    if not splits[TRAIN].count:
        raise ValueError(f"{path} has no picture that can be read")
    files = sorted({piece.file for listing in splits.values() for each in listing.fields.values() for piece in each})
    return Report(
        layout=TOLD[name],
        divided=parts[TRAIN] is found.get(TRAIN),
        splits=splits,
        sizes=_sizes(tree, files),
        grey=pixels.channels(tree, splits[TRAIN]) == 1,
        broken=broken,
        equal=_groups((tree.digest(file), file) for file in files),
        alike=_alike(tree, splits, thumbnails),
        remarks=(*splits[TRAIN].remarks, *doubts(splits)),
        sheet=_sheet(splits[TRAIN], thumbnails[TRAIN]),
    )


def doubts(splits: Splits) -> list[str]:
    """What would make a poor model of these pictures, as sentences."""
    trained, said = splits[TRAIN], []
    for name, pieces in trained.fields.items():
        of = "" if name == "images" else f" of {name.upper()}"
        if not pieces:
            said.append(f"there are no pictures{of}")
        elif len(pieces) < FEW:
            said.append(
                f"{len(pieces)} pictures{of} are few: most models need {FEW} to train on, and 1,000 for variety"
            )
    if len(trained.classes) == 1:
        said.append(f"there is one class only ({trained.classes[0]}), so a model of classes has nothing to tell apart")
    counts = Counter(trained.classes[label] for label in trained.labels)
    if len(counts) > 1 and max(counts.values()) > 10 * min(counts.values()):
        (most, many), (least, few) = counts.most_common()[0], counts.most_common()[-1]
        said.append(f"the classes are uneven: {many} pictures of {most}, {few} of {least}")
    if splits[TEST].fields == trained.fields:
        said.append("nothing is held out, so sheets and figures show what was trained on")
    return said


def _sizes(tree: Tree, files: list[str]) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    headers = [codec.header(tree.read(file), pixels.MAX_PIXELS) for file in files[:: max(1, len(files) // _MEASURED)]]
    ordered = sorted(((each.width, each.height) for each in headers), key=lambda size: size[0] * size[1])
    return ordered[0], ordered[len(ordered) // 2], ordered[-1]


def _groups(named: Iterable[tuple[str, str]]) -> list[tuple[str, ...]]:
    """Those that have the same key, where they are several."""
    found: dict[str, list[str]] = defaultdict(list)
    for key, file in named:
        found[key].append(file)
    return [tuple(files) for files in found.values() if len(files) > 1]


def _alike(tree: Tree, splits: Splits, thumbnails: dict[str, dict[str, Tensor]]) -> list[tuple[str, ...]]:
    """Pictures whose thumbnails differ by a few levels.

    Only those are compared that have the same gradients (a difference hash) in one of four bands of the picture.
    """
    seen: dict[tuple[int, bytes], list[tuple[str, np.ndarray]]] = defaultdict(list)
    found: dict[str, list[str]] = defaultdict(list)
    for split, listing in splits.items():
        for name, pieces in listing.fields.items():
            for piece, picture in zip(pieces, thumbnails[split][name], strict=True):
                grey = picture.float().mean(0).numpy()
                small = grey.reshape(8, 8, 8, 8).mean((1, 3))
                rising = small[:, 1:] > small[:, :-1]
                bands = [(band, rising[2 * band : 2 * band + 2].tobytes()) for band in range(4)]
                others = {file: other for band in bands for file, other in seen[band][:_COMPARED] if file != piece.file}
                like = next((file for file, other in others.items() if np.abs(other - grey).mean() < _ALIKE), None)
                if like is None:
                    for band in bands:
                        seen[band].append((piece.file, grey))
                elif tree.digest(like) != tree.digest(piece.file):
                    found[like].append(piece.file)
    return [(first, *others) for first, others in found.items()]


def _sheet(listing: Listing, thumbnails: dict[str, Tensor]) -> np.ndarray:
    filled = [pictures for pictures in thumbnails.values() if len(pictures)]
    share = _SHOWN // len(filled)
    shown = [pictures[np.linspace(0, len(pictures) - 1, min(share, len(pictures))).astype(int)] for pictures in filled]
    count = min(map(len, shown))
    cells = [picture.permute(1, 2, 0).numpy() for row in range(count) for picture in (each[row] for each in shown)]
    return composition.grid(cells, columns=8)
