"""Files of requests and of answers, in parts: in Redis, or in the store for pictures where there is one."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_hex
from typing import Literal

from redis.asyncio import Redis

from app.schemas.batches import FileObject
from core.object_store import ObjectStore, StoredObject
from core.replies import all_bytes, bytes_fields
from jobs import keys, objects

PART_BYTES = 4 * 2**20
"""Of a file that is read piece by piece."""
_PARTS_AT_ONCE = 8

Purpose = Literal["batch", "batch_output"]


@dataclass(frozen=True)
class KeptFile:
    """What is known of a file."""

    id: str
    owner: str
    filename: str
    purpose: Purpose
    bytes: int
    created_at: datetime
    expires_at: datetime
    folder: str = ""
    """Where its parts lie in the store, if they do."""

    def told(self) -> FileObject:
        """As the API tells it."""
        return FileObject(
            id=self.id,
            bytes=self.bytes,
            created_at=int(self.created_at.timestamp()),
            expires_at=int(self.expires_at.timestamp()),
            filename=self.filename,
            purpose=self.purpose,
        )


class Files:
    """The files that are kept."""

    def __init__(self, redis: Redis, ttl_s: int, store: ObjectStore | None):
        self.redis, self.ttl_s, self.store = redis, ttl_s, store

    def new(self, owner: str, filename: str, purpose: Purpose, size: int, more_s: int = 0) -> KeptFile:
        """A file that has nothing yet, and exists once it is kept.

        Args:
            more_s: how much longer than others its parts may be needed.
        """
        id = f"file-{token_hex(12)}"
        folder = objects.folder(id, self.ttl_s + more_s) if self.store else ""
        return self.made(id, owner, filename, purpose, size, folder)

    def made(self, id: str, owner: str, filename: str, purpose: Purpose, size: int, folder: str) -> KeptFile:
        """A file whose parts are written already, made now."""
        made, expires = (datetime.fromtimestamp(int(at), UTC) for at in (time.time(), time.time() + self.ttl_s))
        return KeptFile(id, owner, filename, purpose, size, made, expires, folder)

    async def write(self, file: KeptFile, chunks: AsyncIterator[bytes]) -> None:
        """Writes a file's parts and keeps it."""
        pending = b""
        async for chunk in chunks:
            pending += chunk
            if len(pending) >= PART_BYTES:
                await self._append(file, pending)
                pending = b""
        if pending:
            await self._append(file, pending)
        await self.keep(file)

    async def keep(self, file: KeptFile) -> None:
        """Has a file exist whose parts are written."""
        made, expires = int(file.created_at.timestamp()), int(file.expires_at.timestamp())
        fields: dict[str, str | int] = {
            "owner": file.owner,
            "filename": file.filename,
            "purpose": file.purpose,
            "bytes": file.bytes,
            "created_at": made,
            "expires_at": expires,
            "folder": file.folder,
        }
        async with self.redis.pipeline(transaction=True) as pipeline:
            pipeline.hset(keys.file_key(file.id), mapping={**fields})
            pipeline.zadd(keys.files_key(file.owner), {file.id: made})
            pipeline.zremrangebyscore(keys.files_key(file.owner), "-inf", time.time() - self.ttl_s)
            for key in (keys.file_key(file.id), keys.file_parts_key(file.id)):
                pipeline.expireat(key, expires)
            pipeline.expire(keys.files_key(file.owner), self.ttl_s)
            await pipeline.execute()

    async def part(self, folder: str, data: bytes) -> bytes:
        """A part, as it stands in a file's list of them."""
        if self.store is None or not data:
            return b"=" + data if data else b""
        name = f"{folder}/{token_hex(8)}"
        await self.store.put(name, StoredObject(data, "application/jsonl"))
        return b"@" + name.encode()

    async def get(self, id: str) -> KeptFile | None:
        """A file, or None if there is none of that id (any more)."""
        fields = bytes_fields(await self.redis.hgetall(keys.file_key(id)))
        if not fields:
            return None
        text = {name.decode(): value.decode() for name, value in fields.items()}
        return KeptFile(
            id,
            text["owner"],
            text["filename"],
            "batch" if text["purpose"] == "batch" else "batch_output",
            int(text["bytes"]),
            datetime.fromtimestamp(int(text["created_at"]), UTC),
            datetime.fromtimestamp(int(text["expires_at"]), UTC),
            text["folder"],
        )

    async def all(self, owner: str) -> list[KeptFile]:
        """An owner's, newest first."""
        names = all_bytes(await self.redis.zrevrange(keys.files_key(owner), 0, -1))
        return [file for name in names if (file := await self.get(name.decode())) is not None]

    async def content(self, id: str) -> AsyncIterator[bytes]:
        """A file's parts, one after another. Raises `StoreError`."""
        at = 0
        while parts := all_bytes(await self.redis.lrange(keys.file_parts_key(id), at, at + _PARTS_AT_ONCE - 1)):
            at += len(parts)
            for part in parts:
                yield await self._read(part)

    async def delete(self, file: KeptFile) -> None:
        """Forgets a file. Raises `StoreError`: then it is not forgotten."""
        if file.folder and self.store:
            await self.store.delete_folder(file.folder)
        async with self.redis.pipeline(transaction=True) as pipeline:
            pipeline.delete(keys.file_key(file.id), keys.file_parts_key(file.id))
            pipeline.zrem(keys.files_key(file.owner), file.id)
            await pipeline.execute()

    async def _append(self, file: KeptFile, data: bytes) -> None:
        key = keys.file_parts_key(file.id)
        async with self.redis.pipeline(transaction=True) as pipeline:
            pipeline.rpush(key, await self.part(file.folder, data))
            pipeline.expireat(key, int(file.expires_at.timestamp()))
            await pipeline.execute()

    async def _read(self, part: bytes) -> bytes:
        if part[:1] == b"=":
            return part[1:]
        return (await self.store.get(part[1:].decode()) if self.store else None) or b""
