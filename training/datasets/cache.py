"""Pictures decoded once, into files that are mapped into memory: what is not looked at takes none."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch import Tensor

from pictures.codec import BadPicture
from pictures.formats import Channels
from training.datasets import pixels, places
from training.datasets.listing import Listing, Piece
from training.datasets.tree import Tree

_FORMAT = 1
"""Another one when the same pictures would be decoded into other pixels."""
_AT_ONCE = 256
"""Pictures that are decoded before any of them is written."""
_DONE = "decoded.json"

Told = Callable[[int, int], None]
"""Called with how many pictures are decoded, and of how many."""


@dataclass(frozen=True)
class Decoded:
    """Pictures of one size, and what is known of those that could be read."""

    fields: dict[str, Tensor]
    """uint8 [N, C, S, S], mapped into memory."""
    listing: Listing
    """Of these pictures alone, in their order."""
    broken: dict[str, str]
    """What is wrong with each file that was left out."""


def decoded(tree: Tree, listing: Listing, side: int, channels: Channels, told: Told | None = None) -> Decoded:
    """The pictures of a listing, from the cache if they are there, else decoded into it on all cores."""
    pieces = {name: [[piece.file, piece.half] for piece in each] for name, each in listing.fields.items()}
    key = json.dumps([_FORMAT, tree.fingerprint(), pieces, listing.paired, side, channels], sort_keys=True)
    folder = places.cache() / "pictures" / hashlib.sha256(key.encode()).hexdigest()[:32]
    if not (folder / _DONE).is_file():
        _make(folder, tree, listing, side, channels, told or (lambda done, total: None))
    done = json.loads((folder / _DONE).read_text())
    fields: dict[str, Tensor] = {}
    for name, kept in done["kept"].items():
        stored = np.load(folder / f"{name}.npy", mmap_mode="c")  # private: torch takes no memory that cannot be written
        fields[name] = torch.from_numpy(stored)[: len(kept)]
        listing = listing.rows(name, kept) if len(kept) < len(listing.fields[name]) else listing
    return Decoded(fields, listing, done["broken"])


def _make(folder: Path, tree: Tree, listing: Listing, side: int, channels: Channels, told: Told) -> None:
    """Writes beside `folder` and puts all in place at once; who comes second to that finds it there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".partial-"))
    try:
        kept: dict[str, list[int]] = {}
        broken: dict[str, str] = {}
        total, before = sum(map(len, listing.fields.values())), 0
        for names in [tuple(listing.fields)] if listing.paired else [(name,) for name in listing.fields]:
            rows = list(zip(*(listing.fields[name] for name in names), strict=True))
            shape = (max(len(rows), 1), channels, side, side)  # an empty file cannot be mapped
            files = {name: open_memmap(partial / f"{name}.npy", "w+", np.uint8, shape) for name in names}
            good: list[int] = []
            for row, found in enumerate(_each(tree, rows, side, channels)):
                if isinstance(found, tuple):
                    for name, picture in zip(names, found, strict=True):
                        files[name][len(good)] = picture
                    good.append(row)
                else:
                    broken |= found
                before += len(names)
                told(before, total)
            kept |= dict.fromkeys(names, good)
            for file in files.values():
                file.flush()
        (partial / _DONE).write_text(json.dumps({"kept": kept, "broken": broken}))
        if not folder.exists():
            partial.rename(folder)
    except OSError:
        if not (folder / _DONE).is_file():  # nobody else was quicker
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _each(
    tree: Tree, rows: Sequence[tuple[Piece, ...]], side: int, channels: Channels
) -> Iterator[tuple[np.ndarray, ...] | dict[str, str]]:
    """The pictures of each row, or which of its files is broken, and how."""

    def read(row: tuple[Piece, ...]) -> tuple[np.ndarray, ...] | dict[str, str]:
        found = []
        for piece in row:
            try:
                found.append(pixels.read(tree, piece, side, channels))
            except BadPicture as error:
                return {piece.file: str(error)}
        return tuple(found)

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes and scales without Python's lock
        for first in range(0, len(rows), _AT_ONCE):
            yield from pool.map(read, rows[first : first + _AT_ONCE])
