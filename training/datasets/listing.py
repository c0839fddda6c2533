"""What a split of a data set holds, before a picture of it is decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Literal

from training.datasets.tree import Tree


@dataclass(frozen=True)
class Piece:
    """A picture, or the left or right half of one."""

    file: str
    half: Literal["", "left", "right"] = ""

    @property
    def stem(self) -> str:
        """Its name without folder and ending."""
        return PurePosixPath(self.file).stem


@dataclass(frozen=True)
class Listing:
    """The pictures of a split, and what is said of each."""

    fields: dict[str, tuple[Piece, ...]]
    """`images`; or `a` and `b`."""
    paired: bool = False
    """Whether row i of `b` is the true answer to row i of `a`."""
    labels: tuple[int, ...] = ()
    """Of each of `images`, its place in `classes`; none if there are no classes."""
    classes: tuple[str, ...] = ()
    attributes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Columns of 0 and 1, with a row for each of `images`."""
    texts: tuple[tuple[str, ...], ...] = ()
    """What is said of each of `images`, in one wording or more."""
    remarks: tuple[str, ...] = ()
    """What people should know of how it was read, as sentences."""

    @property
    def count(self) -> int:
        """Pictures of the larger field; pairs count once."""
        return max(map(len, self.fields.values()))

    def rows(self, name: str, kept: Iterable[int]) -> Listing:
        """With these rows of one field alone, in this order; of all fields where they belong together."""
        rows = tuple(kept)
        together = self.paired or name == "images"
        return replace(
            self,
            fields={
                each: tuple(pieces[row] for row in rows) if together or each == name else pieces
                for each, pieces in self.fields.items()
            },
            labels=tuple(self.labels[row] for row in rows) if self.labels else (),
            attributes={column: tuple(values[row] for row in rows) for column, values in self.attributes.items()},
            texts=tuple(self.texts[row] for row in rows) if self.texts else (),
        )


Splits = dict[str, Listing]
"""By name: `train`, `test`, `val`; or `all`, where nobody divided them."""

TRAIN, TEST, VALIDATION, ALL = "train", "test", "val", "all"

SPLITS = {
    TRAIN: (TRAIN, "training"),
    TEST: (TEST, "testing"),
    VALIDATION: (VALIDATION, "valid", "validation", "dev"),
}
"""What people call the folders of splits."""


def split_folders(tree: Tree) -> dict[str, str]:
    """The folder of each split, if there is one of `train` at least; else all in the folder without a name."""
    there = {name.lower(): name for name in tree.folders()}
    found = {split: there[name] for split, names in SPLITS.items() for name in names if name in there}
    return found if TRAIN in found else {ALL: ""}


def by_split(tree: Tree, listed: Callable[[Tree, str], Listing | None]) -> Splits | None:
    """What `listed` makes of each split's folder; None if it makes nothing of one."""
    found = {split: listed(tree, folder) for split, folder in split_folders(tree).items()}
    whole = {split: listing for split, listing in found.items() if listing is not None}
    return whole if len(whole) == len(found) else None


def pieces(files: Iterable[str]) -> tuple[Piece, ...]:
    """Whole pictures."""
    return tuple(Piece(file) for file in files)
