"""The files of predictions that have succeeded: in Redis, or in the store if the answer says so (`Answer.stored`)."""

from __future__ import annotations

import asyncio
import mimetypes

from redis.asyncio import Redis

from app.http.errors import Unavailable
from core.object_store import ObjectStore, StoredObject
from core.replies import bytes_or_none
from jobs import keys, objects
from jobs.prediction import Snapshot

LINK_S = 300
"""How long an address works to which a caller is sent for a picture."""


class ResultFiles:
    """Images, latents and signed files. What is asked of a store raises `StoreError` when that cannot be reached."""

    def __init__(self, redis: Redis, ttl_s: int, objects: ObjectStore | None = None, redirects: bool = False):
        """
        Args:
            redirects: whether callers are sent to the store for pictures.
        """
        self._redis, self._ttl_s, self._objects, self._redirects = redis, ttl_s, objects, redirects

    async def image(self, found: Snapshot, index: int) -> bytes | None:
        """The encoded bytes of one image, or None once they have expired."""
        if folder := _folder(found):
            return await self._store.get(objects.image_object(folder, index, found.images[index]))
        return bytes_or_none(await self._redis.get(keys.image_key(found.id, index)))

    async def images(self, found: Snapshot) -> list[bytes | None]:
        """The encoded bytes of all images."""
        if _folder(found):
            return await asyncio.gather(*(self.image(found, index) for index in range(len(found.images))))
        names = [keys.image_key(found.id, index) for index in range(len(found.images))]
        return [bytes_or_none(blob) for blob in await self._redis.mget(names)] if names else []

    async def image_url(self, found: Snapshot, index: int) -> str | None:
        """Where the store itself gives an image; None where the API is to."""
        folder = _folder(found)
        if not self._redirects or not folder:
            return None
        return await self._store.url(objects.image_object(folder, index, found.images[index]), LINK_S)

    async def latents(self, found: Snapshot) -> bytes | None:
        """The latents of all images, or None once they have expired."""
        if folder := _folder(found):
            return await self._store.get(objects.latents_object(folder))
        return bytes_or_none(await self._redis.get(keys.latents_key(found.id)))

    async def signed(self, found: Snapshot, name: str) -> bytes | None:
        """A file that was signed under this name before."""
        if folder := _folder(found):
            return await self._store.get(objects.signed_object(folder, name))
        return bytes_or_none(await self._redis.hget(keys.signed_key(found.id), name))

    async def keep_signed(self, found: Snapshot, name: str, data: bytes) -> bytes:
        """Keeps a signed file, unless another process has kept one of this name; the file that is kept."""
        if folder := _folder(found):
            kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
            return await self._store.put_first(objects.signed_object(folder, name), StoredObject(data, kind))
        key = keys.signed_key(found.id)
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hsetnx(key, name, data)
            pipeline.expire(key, self._ttl_s)
            pipeline.hget(key, name)
            return (await pipeline.execute())[-1]

    async def delete(self, found: Snapshot) -> None:
        """Deletes what the store has of a prediction. What Redis has goes with its record (`scripts.PURGE`)."""
        if folder := _folder(found):
            await self._store.delete_folder(folder)

    @property
    def _store(self) -> ObjectStore:
        """Raises `Unavailable` where the pictures are in a store that this process was not told of."""
        if self._objects is None:
            raise Unavailable("this picture is in a store that EASEL_STORE does not name here", code="store_unknown")
        return self._objects


def _folder(found: Snapshot) -> str:
    return found.answer.stored if found.answer else ""
