"""The files of a data set, in a folder or in a zip, by their names."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path, PurePosixPath

from training.datasets import places

SUFFIXES = frozenset(
    f".{kind}" for kind in ("png", "jpg", "jpeg", "webp", "avif", "gif", "bmp", "tif", "tiff", "heic", "heif")
)
"""Of files that are taken for pictures."""


class Tree(ABC):
    """A data set's files. Names are relative and have `/` between their parts, whatever the system has."""

    def __init__(self, path: Path, names: Iterable[str]):
        self.path = path
        self.files = tuple(sorted(name for name in names if not _hidden(name)))

    @abstractmethod
    def read(self, name: str) -> bytes:
        """The bytes of a file."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Another one when a file changes, told without reading them all."""

    @abstractmethod
    def digest(self, name: str) -> str:
        """Equal for files of equal content."""

    @cached_property
    @abstractmethod
    def sha256(self) -> str:
        """Of all that is in it, for the card."""

    @cached_property
    def pictures(self) -> tuple[str, ...]:
        """The files that are pictures by their names."""
        return tuple(name for name in self.files if PurePosixPath(name).suffix.lower() in SUFFIXES)

    def under(self, folder: str) -> tuple[str, ...]:
        """The pictures in a folder and its folders; all of them in the folder without a name."""
        return tuple(name for name in self.pictures if name.startswith(f"{folder}/")) if folder else self.pictures

    def folders(self, folder: str = "") -> tuple[str, ...]:
        """Names of the folders right in a folder that have files."""
        start = f"{folder}/" if folder else ""
        rest = (name.removeprefix(start) for name in self.files if name.startswith(start))
        return tuple(sorted({name.split("/")[0] for name in rest if "/" in name}))

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return name in self._set

    @cached_property
    def _set(self) -> frozenset[str]:
        return frozenset(self.files)


class Folder(Tree):
    """Files on disk."""

    def __init__(self, path: Path):
        super().__init__(path, (found.relative_to(path).as_posix() for found in path.rglob("*") if found.is_file()))

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def fingerprint(self) -> str:
        told = hashlib.sha256(str(self.path.resolve()).encode())
        for name in self.files:
            stat = (self.path / name).stat()
            told.update(f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
        return told.hexdigest()

    def digest(self, name: str) -> str:
        return self._digests[name]

    @cached_property
    def _digests(self) -> dict[str, str]:
        """Of each file; kept on disk, so that files which have not changed are read once."""
        kept = places.cache() / "digests" / f"{self.fingerprint()}.json"
        if kept.is_file():
            return json.loads(kept.read_text())
        found = {name: hashlib.sha256(self.read(name)).hexdigest() for name in self.files}
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(found))
        partial.replace(kept)
        return found

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256("".join(f"{name}\0{self.digest(name)}\n" for name in self.files).encode()).hexdigest()


class Zip(Tree):
    """Files of an archive. A folder of the archive's own name, in which all of them are, is left out of their names."""

    def __init__(self, path: Path):
        self._opened = zipfile.ZipFile(path)
        names = [info.filename for info in self._opened.infolist() if not info.is_dir()]
        shown = [name for name in names if not _hidden(name)]
        self._inside = f"{path.stem}/" if shown and all(name.startswith(f"{path.stem}/") for name in shown) else ""
        super().__init__(path, (name.removeprefix(self._inside) for name in shown))

    def read(self, name: str) -> bytes:
        return self._opened.read(self._inside + name)

    def fingerprint(self) -> str:
        stat = self.path.stat()
        return hashlib.sha256(f"{self.path.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}".encode()).hexdigest()

    def digest(self, name: str) -> str:
        info = self._opened.getinfo(self._inside + name)
        return hashlib.sha256(f"{info.CRC}\0{info.file_size}".encode()).hexdigest()

    @cached_property
    def sha256(self) -> str:
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def read_tree(path: Path) -> Tree:
    """The files of a folder or a zip.

    Raises:
        FileNotFoundError: there is neither.
        ValueError: a file that is no zip.
    """
    if path.is_dir():
        return Folder(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no folder and no zip {path}")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is a file, but no zip; name a folder of pictures or a zip of one")
    return Zip(path)


def _hidden(name: str) -> bool:
    """Whether it is what systems leave beside files of people's."""
    parts = PurePosixPath(name).parts
    return any(part.startswith(".") or part == "__MACOSX" for part in parts) or parts[-1] == "Thumbs.db"
