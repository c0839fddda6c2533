"""A model's files as they come in a request's body: onto the disk, a piece at a time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, BinaryIO

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from app.http.errors import Malformed, UnsupportedMedia
from app.http.parsing import content_type
from models.archive import ARCHIVE, place_of

_MAX_FILES = 64


async def receive(request: Request, folder: Path) -> None:
    """Writes the body into a folder: the files of a form by their names, a zip as `models.archive.ARCHIVE`.

    Raises:
        Malformed: the form cannot be read, or has a file that is none of a model's.
        UnsupportedMedia: the body is neither a zip nor a form.
        OSError: the folder cannot be written.
    """
    kind = content_type(request)
    if kind == "multipart/form-data":
        parser = _Parser(request, folder)
        try:
            await parser.parse()
        except MultiPartException as error:
            raise Malformed(f"the form cannot be read: {error.message}") from None
        finally:
            parser.close()
    elif kind in ("application/zip", "application/x-zip-compressed"):
        with await asyncio.to_thread((folder / ARCHIVE).open, "xb") as file:
            async for chunk in request.stream():
                await asyncio.to_thread(file.write, chunk)
    else:
        raise UnsupportedMedia(
            f"cannot read {kind or 'a body without a content type'}; send application/zip, or multipart/form-data with "
            "card.json and model.safetensors"
        )


class _Parser(MultiPartParser):
    """Writes files to where they belong in a folder, rather than to memory and temporary files."""

    def __init__(self, request: Request, folder: Path):
        super().__init__(request.headers, request.stream(), max_files=_MAX_FILES, max_fields=0)
        self.folder = folder
        self._opened: list[BinaryIO] = []

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        part: Any = self._current_part
        name = part.file.filename or ""
        place = Path(ARCHIVE) if name.lower().endswith(".zip") else place_of(name)
        if place is None:
            raise MultiPartException(
                f"{name!r} is no file of a model: these are card.json, model.safetensors, or a zip"
            )
        path = self.folder / place
        if path.exists():
            raise MultiPartException(f"{place} comes twice")
        path.parent.mkdir(exist_ok=True)
        self._opened.append(path.open("xb"))
        part.file.file.close()
        part.file = UploadFile(self._opened[-1], size=0, filename=name)

    def close(self) -> None:
        """Closes the files."""
        for file in self._opened:
            file.close()
