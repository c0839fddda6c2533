"""Where an input picture comes from: a file of the request, a data: URI, an earlier upload, or (if allowed) a URL."""

from __future__ import annotations

from app.http.errors import FieldError, Invalid, Problem, TooLarge
from app.predictions.store import Store
from app.predictions.uploads import UPLOAD_ID, from_data_uri
from core import guard
from core.settings import Settings

UPLOAD_PREFIX = "upload:"
"""What a caller puts before the id of an upload. Not to be confused with a job's own `picture:`, which is pixels."""

Source = bytes | str
"""A file's bytes, or a string that says where the picture is."""

_HEADERS = {"Accept": "image/*", "User-Agent": "Easel"}


class Sources:
    """Reads pictures from wherever they are."""

    def __init__(self, store: Store, settings: Settings):
        self.store = store
        self.settings = settings

    async def read(self, source: Source, pointer: str, owner: str) -> bytes:
        """The bytes of a picture's file, as they came. Of uploads, the owner's alone are read.

        Raises:
            Problem: there is nothing to read there; `pointer` says which input asked for it.
        """
        if isinstance(source, bytes):
            return source
        if source.startswith(UPLOAD_PREFIX):
            return await self._uploaded(source.removeprefix(UPLOAD_PREFIX), pointer, owner)
        if self.settings.fetch_images and source.startswith(("http://", "https://")):
            return await self._fetched(source, pointer)
        return from_data_uri(source, pointer)

    async def _uploaded(self, upload: str, pointer: str, owner: str) -> bytes:
        data = await self.store.uploaded(owner, upload) if UPLOAD_ID.fullmatch(upload) else None
        if data is None:
            raise _problem(Invalid, "upload_not_found", "there is no such upload, or it has expired", pointer)
        return data

    async def _fetched(self, url: str, pointer: str) -> bytes:
        limit, private = int(self.settings.max_upload_mb * 2**20), self.settings.webhook_allow_private
        try:
            reply = await guard.call("GET", url, _HEADERS, allow_private=private, max_bytes=limit)
        except (guard.Refused, guard.Unreachable) as error:
            raise _problem(Invalid, "image_not_fetched", str(error), pointer) from None
        if reply.status != 200:
            raise _problem(Invalid, "image_not_fetched", f"the URL answers with {reply.status}, not with 200", pointer)
        if len(reply.body) > limit:
            raise _problem(TooLarge, "too_large", f"the picture exceeds the limit of {limit:,} bytes", pointer)
        return reply.body


def _problem(kind: type[Problem], code: str, detail: str, pointer: str) -> Problem:
    return kind(detail, code=code, errors=[FieldError(pointer=pointer, detail=detail)])
