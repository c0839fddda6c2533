"""Archives: all image files of a prediction in one zip, which is made as it is sent, file by file."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator

from app.http.errors import Gone
from app.predictions.store import Store
from jobs.prediction import Image, Snapshot

_PER_FILE, _PER_NAME, _AT_THE_END = 30 + 16 + 46, 2, 22
"""Bytes of a zip besides its files: of each the local header, the data descriptor and the directory's entry; its name,
which stands in two of them; and what ends the directory."""


class _Sink(io.RawIOBase):
    """What was written since the last look. It cannot go back, so that a zip is written as a stream."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        self._written.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        written, self._written = self._written, []
        return b"".join(written)


def size(found: Snapshot) -> int:
    """Bytes of the archive of files that leave as they are kept."""
    names = [_name(index, image) for index, image in enumerate(found.images)]
    files = sum(_PER_FILE + _PER_NAME * len(name) for name in names) + sum(image.bytes for image in found.images)
    return files + _AT_THE_END


async def stream(found: Snapshot, store: Store) -> AsyncIterator[bytes]:
    """A zip of a succeeded prediction's image files, stored as they are: they are compressed already. One is held at a
    time. Its entries bear no date, so that the same images make the same bytes.

    Raises:
        Gone: an image has expired.
    """
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as opened:
        for index, image in enumerate(found.images):
            blob = found.blobs[index] if found.blobs else await store.files.image(found, index)
            if blob is None:
                raise Gone("the images have expired")
            opened.writestr(zipfile.ZipInfo(_name(index, image)), await store.signing.image(found, index, blob))
            yield sink.taken()
    yield sink.taken()


def _name(index: int, image: Image) -> str:
    seed = "" if image.seed is None else f"-seed{image.seed}"
    return f"{index:03d}{seed}.{image.format}"
