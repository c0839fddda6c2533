"""What is known of batches, in Redis: each is a hash of times and counts, from which its status follows."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from secrets import token_hex

import orjson
from redis.asyncio import Redis

from app.batches.files import Files
from app.schemas.batches import BatchError, BatchErrors, BatchObject, BatchRequest, BatchStatus, Endpoint, RequestCounts
from core.replies import all_bytes, bytes_fields, bytes_or_none
from jobs import keys, scripts

WINDOW_S = 24 * 3600

_STATUSES = (
    ("failed_at", BatchStatus.FAILED),
    ("completed_at", BatchStatus.COMPLETED),
    ("expired_at", BatchStatus.EXPIRED),
    ("cancelled_at", BatchStatus.CANCELLED),
    ("cancelling_at", BatchStatus.CANCELLING),
    ("finalizing_at", BatchStatus.FINALIZING),
    ("in_progress_at", BatchStatus.IN_PROGRESS),
)
"""The first time that a batch has tells its status; one that has none is validated and waits for its turn."""


@dataclass(frozen=True)
class BatchRecord:
    """A batch as it is kept."""

    owner: str
    told: BatchObject
    output: str
    errors: str
    """Ids of the files that its answers go to, which exist once it has ended."""
    output_folder: str
    error_folder: str
    """Where the parts of these lie in the store, if they do."""
    output_bytes: int
    error_bytes: int

    @property
    def id(self) -> str:
        """Its id."""
        return self.told.id

    @property
    def member(self) -> str:
        """Its name among the batches that have not ended."""
        return f"{self.owner}/{self.id}"


@dataclass(frozen=True)
class Answers:
    """Lines of a batch that have been answered, with their files' parts (`Files.part`)."""

    lines: Sequence[int]
    completed: int
    failed: int
    output: bytes
    output_bytes: int
    errors: bytes
    error_bytes: int


class BatchRecords:
    """The batches that are kept."""

    def __init__(self, redis: Redis, files: Files):
        self.redis, self.files = redis, files
        self._note = redis.register_script(scripts.NOTE_LINES)

    async def create(self, owner: str, asked: BatchRequest, total: int, errors: Sequence[BatchError]) -> BatchRecord:
        """A batch of a file with so many lines, which waits to be answered; with errors, one that has failed."""
        id, now = f"batch_{token_hex(12)}", int(time.time())
        output, error = (self.files.new(owner, "", "batch_output", 0, WINDOW_S) for _ in range(2))
        fields: dict[str, str | int | bytes] = {
            "owner": owner,
            "endpoint": asked.endpoint.value,
            "input_file_id": asked.input_file_id,
            "created_at": now,
            "expires_at": now + WINDOW_S,
            "total": total,
            "metadata": orjson.dumps(asked.metadata),
            "output": output.id,
            "output_folder": output.folder,
            "error": error.id,
            "error_folder": error.folder,
        }
        if errors:
            fields |= {"failed_at": now, "errors": orjson.dumps([error.model_dump() for error in errors])}
        ttl_s = self.files.ttl_s + WINDOW_S
        async with self.redis.pipeline(transaction=True) as pipeline:
            pipeline.hset(keys.batch_key(id), mapping={**fields})
            pipeline.expire(keys.batch_key(id), ttl_s)
            pipeline.zadd(keys.batches_key(owner), {id: now})
            pipeline.zremrangebyscore(keys.batches_key(owner), "-inf", now - ttl_s)
            pipeline.expire(keys.batches_key(owner), ttl_s)
            if not errors:
                pipeline.zadd(keys.BATCHES, {f"{owner}/{id}": now})
            pipeline.hgetall(keys.batch_key(id))
            stored = (await pipeline.execute())[-1]
        return _read(id, bytes_fields(stored))

    async def get(self, id: str) -> BatchRecord | None:
        """A batch, or None if there is none of that id (any more)."""
        fields = await self.redis.hgetall(keys.batch_key(id))
        return _read(id, bytes_fields(fields)) if fields else None

    async def names(self, owner: str) -> list[str]:
        """The ids of an owner's batches, newest first."""
        return [name.decode() for name in all_bytes(await self.redis.zrevrange(keys.batches_key(owner), 0, -1))]

    async def unfinished(self) -> list[tuple[str, str]]:
        """Owner and id of all batches that have not ended, oldest first."""
        found = all_bytes(await self.redis.zrange(keys.BATCHES, 0, -1))
        return [(owner, id) for owner, _, id in (name.decode().partition("/") for name in found)]

    async def mark(self, id: str, time_name: str) -> None:
        """Notes a time of a batch, such as `cancelling_at`, unless it has one already."""
        await self.redis.hsetnx(keys.batch_key(id), time_name, int(time.time()))

    async def answered(self, id: str, total: int) -> list[bool]:
        """Of each line whether its answer is in the files."""
        bits = bytes_or_none(await self.redis.get(keys.batch_lines_key(id))) or b""
        return [place // 8 < len(bits) and bool(bits[place // 8] >> (7 - place % 8) & 1) for place in range(total)]

    async def note(self, batch: BatchRecord, holder: str, answers: Answers) -> bool:
        """Notes answers in one step; False if the lease is another's by now, and nothing was noted."""
        names = [
            keys.batch_lease_key(batch.owner),
            keys.batch_key(batch.id),
            keys.batch_lines_key(batch.id),
            keys.file_parts_key(batch.output),
            keys.file_parts_key(batch.errors),
        ]
        args = [
            holder,
            answers.completed,
            answers.failed,
            answers.output,
            answers.output_bytes,
            answers.errors,
            answers.error_bytes,
            *answers.lines,
        ]
        noted = await self._note(names, args) == 1
        if noted:
            for name in names[2:]:
                await self.redis.expire(name, self.files.ttl_s + WINDOW_S)
        return noted

    async def end(self, batch: BatchRecord, time_name: str) -> None:
        """Has a batch end, and its files exist that have lines. Harmless if it is done twice."""
        found = await self.get(batch.id)
        if found is None:
            return
        fields: dict[str, str | int] = {time_name: int(time.time())}
        for kind, id, folder, size in (
            ("output", found.output, found.output_folder, found.output_bytes),
            ("error", found.errors, found.error_folder, found.error_bytes),
        ):
            if size:
                name = f"{batch.id}_{kind}.jsonl"
                await self.files.keep(self.files.made(id, batch.owner, name, "batch_output", size, folder))
                fields[f"{kind}_file_id"] = id
        async with self.redis.pipeline(transaction=True) as pipeline:
            pipeline.hset(keys.batch_key(batch.id), mapping={**fields})
            pipeline.expire(keys.batch_key(batch.id), self.files.ttl_s)
            pipeline.delete(keys.batch_lines_key(batch.id))
            pipeline.zrem(keys.BATCHES, batch.member)
            await pipeline.execute()

    async def fail(self, batch: BatchRecord, error: BatchError) -> None:
        """Has a batch end as a whole."""
        await self.redis.hset(keys.batch_key(batch.id), "errors", orjson.dumps([error.model_dump()]))
        await self.end(batch, "failed_at")

    async def forget(self, owner: str, id: str) -> None:
        """Strikes off a batch that is kept no more."""
        await self.redis.zrem(keys.BATCHES, f"{owner}/{id}")


def _read(id: str, fields: Mapping[bytes, bytes]) -> BatchRecord:
    text = {name.decode(): value.decode() for name, value in fields.items()}
    errors = orjson.loads(text.get("errors", "[]"))
    told = BatchObject(
        id=id,
        endpoint=Endpoint(text["endpoint"]),
        errors=BatchErrors(data=errors) if errors else None,
        input_file_id=text["input_file_id"],
        status=next((status for name, status in _STATUSES if name in text), BatchStatus.VALIDATING),
        output_file_id=text.get("output_file_id"),
        error_file_id=text.get("error_file_id"),
        created_at=int(text["created_at"]),
        expires_at=int(text["expires_at"]),
        request_counts=RequestCounts(
            total=int(text["total"]), completed=int(text.get("completed", 0)), failed=int(text.get("failed", 0))
        ),
        metadata=orjson.loads(text["metadata"]),
    ).model_copy(update={name: int(text[name]) for name, _ in _STATUSES if name in text})
    return BatchRecord(
        text["owner"],
        told,
        text["output"],
        text["error"],
        text["output_folder"],
        text["error_folder"],
        int(text.get("output_bytes", 0)),
        int(text.get("error_bytes", 0)),
    )
