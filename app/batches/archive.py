"""The pictures of a batch's output as files of a zip, which is written while the output is read."""

from __future__ import annotations

import base64
import io
import re
import zipfile
from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson

from pictures.formats import format_of

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


class _Pipe(io.RawIOBase):
    """What a zip is written to, and taken from piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.written += data
        return len(data)

    def take(self) -> bytes:
        taken, self.written = bytes(self.written), bytearray()
        return taken


async def pictures(content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A zip of all pictures of a file of answers: `<custom_id>.png`, or `<custom_id>-0.png` and so on of several. They
    are compressed already, and stored as they are."""
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as opened:
        names: set[str] = set()
        async for text in _lines(content):
            line = orjson.loads(text)
            files = list(_pictures(line))
            for index, data in enumerate(files):
                stem = _UNSAFE.sub("_", line["custom_id"]).strip(".") or "_"
                stem = f"{stem}-{index}" if len(files) > 1 else stem
                while f"{stem}.{format_of(data)}" in names:
                    stem += "_"
                names.add(name := f"{stem}.{format_of(data)}")
                opened.writestr(zipfile.ZipInfo(name), data)
            if pipe.written:
                yield pipe.take()
    yield pipe.take()


async def _lines(content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    rest = b""
    async for part in content:
        *whole, rest = (rest + part).split(b"\n")
        for line in whole:
            if line:
                yield line
    if rest:
        yield rest


def _pictures(line: dict[str, Any]) -> Iterator[bytes]:
    """Of the answer of an images' endpoint, or of a prediction."""
    body = (line["response"] or {}).get("body", {})
    for item in body.get("data") or body.get("output") or ():
        if encoded := item.get("b64_json"):
            yield base64.b64decode(encoded)
