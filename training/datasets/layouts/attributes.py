"""A table of attributes beside pictures, as CelebA has it.

`list_attr_celeba.txt` (a line of names, then the name of a picture and 1 or -1 for each) or a CSV whose first column
names the pictures and whose others are 0 or -1, and 1: `attributes.csv`, `list_attr_celeba.csv`. The splits are
folders, or as `list_eval_partition` tells them: 0 train, 1 validation, 2 test.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from training.datasets.layouts import classes
from training.datasets.listing import ALL, TEST, TRAIN, VALIDATION, Listing, Splits, by_split, pieces
from training.datasets.tree import Tree

_TABLES = ("attributes.csv", "list_attr_celeba.csv", "list_attr_celeba.txt")
_PARTITIONS = ("list_eval_partition.csv", "list_eval_partition.txt")
_SPLITS = {"0": TRAIN, "1": VALIDATION, "2": TEST}


def find(tree: Tree) -> Splits | None:
    """Each split has a table. Where every picture is in a folder, that is its class besides."""
    found = by_split(tree, _listed)
    partition = _file(tree, "", _PARTITIONS)
    if found is None or list(found) != [ALL] or partition is None:
        return found
    told = {_stem(row[0]): _SPLITS.get(row[-1]) for row in _rows(tree, partition) if len(row) > 1}
    whole = found[ALL]
    files = whole.fields["images"]
    rows = {split: [row for row, piece in enumerate(files) if told.get(piece.stem) == split] for split in told.values()}
    return {split: whole.rows("images", rows[split]) for split in _SPLITS.values() if rows.get(split)}


def _listed(tree: Tree, folder: str) -> Listing | None:
    name = _file(tree, folder, _TABLES)
    if name is None:
        return None
    header, *lines = _rows(tree, name)
    columns = header[-(len(lines[0]) - 1) :] if lines else []
    table = {_stem(line[0]): [int(float(value) > 0) for value in line[1:]] for line in lines}
    files = tree.under(folder)
    named = [file for file in files if PurePosixPath(file).stem in table]
    if not named:
        return None
    listing = classes.listed(tree, folder) or Listing({"images": pieces(files)})
    listing = listing.rows("images", [row for row, file in enumerate(files) if PurePosixPath(file).stem in table])
    values = [table[PurePosixPath(file).stem] for file in named]
    attributes = {column: tuple(each[place] for each in values) for place, column in enumerate(columns)}
    alone = len(files) - len(named)
    remarks = (f"{alone} pictures are not named in {name} and are left out",) if alone else ()
    return replace(listing, attributes=attributes, remarks=remarks)


def _file(tree: Tree, folder: str, names: Sequence[str]) -> str | None:
    """The first of these files that is in a folder, or in one of it."""
    start = f"{folder}/" if folder else ""
    return next((file for name in names for file in tree.files if file.startswith(start) and _is(file, name)), None)


def _is(file: str, name: str) -> bool:
    return PurePosixPath(file).name == name


def _rows(tree: Tree, name: str) -> list[list[str]]:
    """The cells of each line; CelebA's own files begin with a line that has their number, which is left out."""
    text = tree.read(name).decode("utf-8-sig")
    if name.endswith(".csv"):
        return [row for row in csv.reader(io.StringIO(text)) if row]
    lines = [line.split() for line in text.splitlines() if line.strip()]
    return lines[1:] if lines and len(lines[0]) == 1 and lines[0][0].isdigit() else lines


def _stem(name: str) -> str:
    return PurePosixPath(name).stem
