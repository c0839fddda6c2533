"""Hugging Face's imagefolder: `metadata.jsonl` or `metadata.csv` in a folder names each picture and what it is."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from training.datasets.listing import Listing, Splits, by_split, pieces
from training.datasets.tree import Tree

_FILE = "file_name"
_TEXTS = ("text", "caption", "texts", "captions")
_LABELS = ("label", "class", "category")
_BITS = {"0": 0, "1": 1, "False": 0, "True": 1, "false": 0, "true": 1}


def find(tree: Tree) -> Splits | None:
    """Each split has a table. Of its columns, `text` (or `caption`) says what a picture shows, `label` (or `class`) is
    its class, and those of 0 and 1 alone are attributes."""
    return by_split(tree, _listed)


def _listed(tree: Tree, folder: str) -> Listing | None:
    start = f"{folder}/" if folder else ""
    name = next((start + name for name in ("metadata.jsonl", "metadata.csv") if tree.has(start + name)), None)
    if name is None:
        return None
    rows = [row for row in _rows(name, tree.read(name)) if row.get(_FILE)]
    if not rows:
        return None
    there = [row for row in rows if tree.has(start + str(PurePosixPath(row[_FILE])))]
    listing = _with_columns(Listing({"images": pieces(start + str(PurePosixPath(row[_FILE])) for row in there)}), there)
    named = {piece.file for piece in listing.fields["images"]}
    remarks = []
    if missing := len(rows) - len(there):
        remarks.append(f"{name} names {missing} files that are not there")
    if unnamed := sum(file not in named for file in tree.under(folder)):
        remarks.append(f"{unnamed} pictures are not named in {name} and are left out")
    return replace(listing, remarks=tuple(remarks))


def _rows(name: str, data: bytes) -> list[dict[str, Any]]:
    text = data.decode("utf-8-sig")
    if name.endswith(".csv"):
        return list(csv.DictReader(io.StringIO(text)))
    try:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except json.JSONDecodeError as error:
        raise ValueError(f"{name} has a line that is no JSON: {error}") from None


def _with_columns(listing: Listing, rows: list[dict[str, Any]]) -> Listing:
    columns = {column: [row.get(column) for row in rows] for row in rows[:1] for column in row if column != _FILE}
    text = next((name for name in _TEXTS if name in columns), None)
    label = next((name for name in _LABELS if name in columns), None)
    texts = tuple(_wordings(value) for value in columns[text]) if text else ()
    classes = tuple(sorted({str(value) for value in columns[label]})) if label else ()
    labels = tuple(classes.index(str(value)) for value in columns[label]) if label else ()
    attributes = {
        name: tuple(_BITS[str(value)] for value in values)
        for name, values in columns.items()
        if name not in (text, label) and all(str(value) in _BITS for value in values)
    }
    return replace(listing, texts=texts, classes=classes, labels=labels, attributes=attributes)


def _wordings(value: object) -> tuple[str, ...]:
    """One text or a list of them."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(str(each) for each in value)
    return () if value is None else (str(value),)
