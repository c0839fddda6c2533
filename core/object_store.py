"""A store for bytes outside Redis: S3, Google Cloud Storage, Azure or a folder, by its URL, through obstore.

Credentials come from where each provider's own tools look: `AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, a machine's role,
`GOOGLE_APPLICATION_CREDENTIALS`, `AZURE_STORAGE_ACCOUNT_KEY` and so on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

SCHEMES = ("s3", "gs", "az", "file")

_AT_ONCE = 16
"""Objects that one process puts at the same time."""
_CLIENT: dict[str, Any] = {"allow_http": True, "connect_timeout": "2s", "timeout": "10s"}
"""Plain http is for stores whose address says so, such as one on the same machine."""
_RETRIES: dict[str, Any] = {"max_retries": 2, "retry_timeout": timedelta(seconds=10)}


class StoreError(Exception):
    """The store cannot be reached, or refuses what is asked of it."""


@dataclass(frozen=True)
class StoredObject:
    """What is put: all of it, or nothing."""

    data: bytes
    media_type: str = "application/octet-stream"


class ObjectStore:
    """Objects by their names, which have slashes between folders. Safe for threads; all raise `StoreError`."""

    def __init__(self, url: str):
        """
        Raises:
            RuntimeError: the extra `store` is not installed, or the URL names no store.
        """
        try:
            import obstore
            from obstore.exceptions import AlreadyExistsError, BaseError
            from obstore.store import from_url
        except ImportError:
            raise RuntimeError("a store needs the extra `store`: pip install 'easel[store]'") from None
        self._obstore, self._exists = obstore, AlreadyExistsError
        self._errors = (BaseError, OSError, ValueError, NotImplementedError)
        self.signs = not url.startswith("file:")
        """Whether it has addresses of its own for its objects."""
        options: dict[str, Any] = {"client_options": _CLIENT, "retry_config": _RETRIES}
        if not self.signs:
            options = {"automatic_cleanup": True, "mkdir": True}
        try:
            self._store: Any = from_url(url, **options)
        except self._errors as error:
            raise RuntimeError(f"the store {url!r} cannot be used: {_first_line(error)}") from None
        self._threads = ThreadPoolExecutor(_AT_ONCE, "store")

    def put_now(self, name: str, stored: StoredObject) -> None:
        """Puts one object, and returns when it is there."""
        self._put(name, stored)

    def begin_put(self, objects: Mapping[str, StoredObject]) -> Callable[[], None]:
        """Puts objects in threads; returns what waits for the end of it. If one cannot be put, others may have been."""
        putting = [self._threads.submit(self._put, name, each) for name, each in objects.items()]

        def end() -> None:
            for each in putting:
                each.result()

        return end

    async def put(self, name: str, stored: StoredObject) -> None:
        """Puts one object."""
        await asyncio.to_thread(self._put, name, stored)

    async def put_first(self, name: str, stored: StoredObject) -> bytes:
        """Puts an object unless there is one of this name; what the store has by then."""
        try:
            await asyncio.to_thread(self._put, name, stored, mode="create")
        except self._exists:
            return await self.get(name) or stored.data
        return stored.data

    async def get(self, name: str) -> bytes | None:
        """An object's bytes; None if there is none of this name (any more)."""
        with self._translated():
            try:
                found = await self._obstore.get_async(self._store, name)
                return bytes(await found.bytes_async())
            except FileNotFoundError:
                return None

    async def url(self, name: str, seconds: int) -> str:
        """An address at which whoever has it can get the object for so long."""
        with self._translated():
            return await self._obstore.sign_async(self._store, "GET", name, timedelta(seconds=seconds))

    async def delete_folder(self, folder: str) -> None:
        """Deletes all objects below a folder."""
        with self._translated():
            async for names in self._listed(folder):
                with suppress(FileNotFoundError):
                    await self._obstore.delete_async(self._store, names)

    async def _listed(self, folder: str) -> AsyncIterator[list[str]]:
        async for page in self._obstore.list(self._store, folder):
            yield [found["path"] for found in page]

    def names(self) -> Iterator[str]:
        """The names of all objects."""
        with self._translated():
            for page in self._obstore.list(self._store):
                yield from (found["path"] for found in page)

    def folders(self) -> list[str]:
        """The names of the folders at the top."""
        with self._translated():
            return list(self._obstore.list_with_delimiter(self._store)["common_prefixes"])

    def sweep(self, expired: Callable[[str], bool]) -> int:
        """Deletes what lies below the folders at the top that have expired; how many objects those were."""
        swept = 0
        for folder in filter(expired, self.folders()):
            with self._translated():
                for page in self._obstore.list(self._store, folder):
                    with suppress(FileNotFoundError):
                        self._obstore.delete(self._store, [found["path"] for found in page])
                    swept += len(page)
        return swept

    def _put(self, name: str, stored: StoredObject, **options: Any) -> None:
        if self.signs:  # a folder keeps no types
            options["attributes"] = {"Content-Type": stored.media_type}
        with self._translated():
            self._obstore.put(self._store, name, stored.data, use_multipart=False, **options)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._exists:
            raise
        except self._errors as error:
            raise StoreError(_first_line(error)) from error


def _first_line(error: Exception) -> str:
    """What an error of obstore says without its insides."""
    return str(error).partition("\n")[0]
