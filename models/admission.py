"""Whether a folder can be served: it is read whole, as a worker would. As a process of its own, for who has no torch:

    python -m models.admission FOLDER BYTES

unpacks the zip that lies in the folder, if one does, to so many bytes at most, says in one line what is wrong with the
model, and ends with status 1 if anything is. Its memory is bounded: a hostile file costs this process and no other.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from models.archive import ARCHIVE, BadArchive, unpack
from models.card import WEIGHTS_FILE
from models.registry import read_entry, reason_of

_UNPACKING = 2**30
"""Bytes of memory for that: the list of what a zip holds can be large."""
_READING, _READING_FOLD = 4 * 2**30, 8
"""Bytes of memory for torch, and as a multiple of the weights' for the model."""
_TOO_LARGE = "its settings ask for far more memory than its weights take"


def fault(folder: Path) -> str | None:
    """Why a folder cannot be served, if it cannot."""
    from models import checkpoint

    try:
        checkpoint.read(folder, read_entry(folder).card)
    except (OSError, ValueError) as error:
        return _TOO_LARGE if "allocate memory" in str(error) else reason_of(error)
    except MemoryError:
        return _TOO_LARGE
    return None


def main(folder: Path, limit: int) -> str | None:
    """What the process does: what is wrong, if anything is."""
    try:
        if (folder / ARCHIVE).exists():
            _bound_memory(_UNPACKING)
            unpack(folder / ARCHIVE, folder, limit)
            (folder / ARCHIVE).unlink()
        weights = folder / WEIGHTS_FILE
        _bound_memory(_READING + _READING_FOLD * (weights.stat().st_size if weights.is_file() else 0))
        return fault(folder)
    except BadArchive as error:
        return str(error)
    except MemoryError:
        return "the zip's list of files is too long"


def _bound_memory(most: int) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (most, resource.getrlimit(resource.RLIMIT_DATA)[1]))


if __name__ == "__main__":
    if wrong := main(Path(sys.argv[1]), int(sys.argv[2])):
        print(" ".join(wrong.split()))
        sys.exit(1)
