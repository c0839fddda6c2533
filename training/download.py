"""MNIST from its origin on the web, as the archive that recipes are trained on (docs/data.md). Imports no torch."""

from __future__ import annotations

import hashlib
import re
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

ORIGIN = "https://codeload.github.com/rasbt/mnist-pngs/zip/d26bd33bf1e454dd15bd4fe8b8ba64c76308f91c"
SHA256 = "3a6dcb317c3587bc46e7f97422ebfdacfd3b0cc4e0f105bd9f3c2d961678d0a5"
"""Of the archive, as cards state it."""
_FIRST = {"train": 0, "test": 60000}
"""The origin counts its test pictures on from the training pictures."""
_PICTURE = re.compile(r"[^/]+/(train|test)/(\d)/(\d+)\.png")


def mnist(target: Path, told: Callable[[int], None] = lambda done: None, origin: str = ORIGIN) -> None:
    """Writes the archive to `target`.

    Args:
        told: how many bytes have come so far.

    Raises:
        OSError: the origin cannot be reached, or the file cannot be written.
        ValueError: what came is not what it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    try:
        with tempfile.TemporaryFile() as came, partial.open("wb") as archive:
            with urllib.request.urlopen(origin, timeout=60) as answer:
                while chunk := answer.read(2**20):
                    came.write(chunk)
                    told(came.tell())
            _arrange(came, archive)
        found = hashlib.sha256(partial.read_bytes()).hexdigest()
        if found != SHA256:
            raise ValueError(f"the archive has the sha256 {found}, not {SHA256}")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _arrange(came: BinaryIO, archive: BinaryIO) -> None:
    """The origin's files in our layout, the same bytes each time. Raises `ValueError` for what is no zip."""
    try:
        with zipfile.ZipFile(came) as origin, zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as written:
            found = (_PICTURE.fullmatch(name) for name in origin.namelist())
            names = {f"{m[1]}/{m[2]}/{int(m[3]) - _FIRST[m[1]]:05d}.png": m[0] for m in found if m}
            for name in sorted(names):
                entry = zipfile.ZipInfo(name)
                entry.external_attr = 0o644 << 16
                written.writestr(entry, origin.read(names[name]))
    except zipfile.BadZipFile as error:
        raise ValueError(f"what came is no zip: {error}") from None
