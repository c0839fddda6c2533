"""The layouts that people have, one module each. `find(tree)` of each tells the splits, or None if it is not so."""

from __future__ import annotations

from collections.abc import Callable

from training.datasets.layouts import (
    attributes,
    classes,
    folder,
    folders_of_pairs,
    metadata,
    side_by_side,
    text,
    unpaired,
)
from training.datasets.listing import Splits
from training.datasets.tree import Tree

LAYOUTS: dict[str, Callable[[Tree], Splits | None]] = {
    "unpaired": unpaired.find,
    "metadata": metadata.find,
    "attributes": attributes.find,
    "text": text.find,
    "folders-of-pairs": folders_of_pairs.find,
    "classes": classes.find,
    "side-by-side": side_by_side.find,
    "folder": folder.find,
}
"""In the order in which they are tried: the more a layout says, the earlier."""

TOLD = {
    "unpaired": "two domains without pairs (trainA, trainB)",
    "metadata": "pictures with a table of metadata (Hugging Face's imagefolder)",
    "attributes": "pictures with a table of attributes (CelebA)",
    "text": "pictures with a text file beside each",
    "folders-of-pairs": "pairs of equal names in the folders A and B",
    "classes": "a folder for each class",
    "side-by-side": "pairs, two pictures side by side (pix2pix)",
    "folder": "one folder of pictures",
}
"""What each is, for people."""


def recognise(tree: Tree) -> tuple[str, Splits]:
    """The name of the layout that a data set has, and what is in it.

    Raises:
        ValueError: there is no picture.
    """
    if not tree.pictures:
        raise ValueError(f"{tree.path} has no pictures")
    for name, find in LAYOUTS.items():
        splits = find(tree)
        if splits is not None:
            return name, splits
    raise ValueError(f"{tree.path} is laid out in no way that is known (docs/data.md)")


def read_as(name: str, tree: Tree) -> Splits:
    """The splits of a data set whose layout is known.

    Raises:
        ValueError: it is not so laid out.
    """
    splits = LAYOUTS[name](tree)
    if splits is None:
        raise ValueError(f"{tree.path} is not laid out as {name}: {TOLD[name]}")
    return splits
