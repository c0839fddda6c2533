"""A model's folder as a zip. What is in it is not trusted: nothing but a model's files is taken, by their names."""

from __future__ import annotations

import re
import zlib
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile, ZipInfo

from models.card import CARD_FILE, DIRECTIONS_FILE, EXAMPLES, SHEET_FILE, WEIGHTS_FILE

ARCHIVE = "model.zip"
"""Name of a zip that lies in the folder which it is to be unpacked to."""
_CHUNK = 2**20
_PLAIN = (CARD_FILE, WEIGHTS_FILE, DIRECTIONS_FILE, SHEET_FILE)
_EXAMPLE = re.compile(r"(A|B|image)-\d{1,3}\.png")


class BadArchive(ValueError):
    """A zip that holds no model that can be unpacked: the message says why."""


def place_of(name: str) -> Path | None:
    """Where a file of this name lies in a model's folder; None if it has no place there.

    Args:
        name: with or without the folders in which somebody else has it.
    """
    last = PurePosixPath(name.replace("\\", "/")).name
    if last in _PLAIN:
        return Path(last)
    return Path(EXAMPLES) / last if _EXAMPLE.fullmatch(last) else None


def unpack(archive: Path, folder: Path, limit: int) -> None:
    """Writes the files of a model into its folder, which exists. The model may lie in a folder of the zip.

    Args:
        limit: bytes that they may have together.

    Raises:
        BadArchive: it cannot be read, holds no model or several, or more bytes than that.
        OSError: they cannot be written.
    """
    left = limit
    try:
        with ZipFile(archive) as packed:
            files = {_path(each): each for each in packed.infolist() if not each.is_dir()}
            cards = [path for path in files if path.name == CARD_FILE and "__MACOSX" not in path.parts]
            if len(cards) != 1:
                raise BadArchive(f"a zip holds one model, with one {CARD_FILE}; this one holds {len(cards)}")
            for path, each in files.items():
                place = place_of(path.name)
                if place is None or path != cards[0].parent / place.as_posix():
                    continue
                (folder / place).parent.mkdir(exist_ok=True)
                with packed.open(each) as source, (folder / place).open("xb") as target:
                    while chunk := source.read(_CHUNK):
                        left -= len(chunk)
                        if left < 0:
                            raise BadArchive(f"the zip holds a model of more than {limit:,} bytes")
                        target.write(chunk)
    except (BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError) as error:
        raise error if isinstance(error, BadArchive) else BadArchive(f"the zip cannot be read: {error}") from error


def _path(packed: ZipInfo) -> PurePosixPath:
    return PurePosixPath(packed.filename.replace("\\", "/"))
