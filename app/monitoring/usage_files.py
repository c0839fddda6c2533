"""Usage as files, one for each day (`EASEL_USAGE_DIR`): written anew every minute from what Redis has counted.

Each API process writes the whole, so any of them may be the only one, and a file that was lost comes back.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from core import logs
from jobs import usage
from jobs.keys import usage_key
from jobs.usage import UsageRow

log = logs.get(__name__)

EVERY_S = 60


async def read(redis: Redis, days: list[date]) -> list[UsageRow]:
    """What was counted on these days."""
    async with redis.pipeline(transaction=False) as pipeline:
        for day in days:
            pipeline.hgetall(usage_key(day.isoformat()))
        found = await pipeline.execute()
    return [row for day, counts in zip(days, found, strict=True) for row in usage.rows(day, counts)]


class UsageFiles:
    """Keeps the files of a folder up to what was counted."""

    def __init__(self, redis: Redis, folder: Path):
        self.redis, self.folder = redis, folder
        self._task: asyncio.Task[None] | None = None
        self._trouble = ""

    def start(self) -> None:
        """Writes from now on, at first also the files of days past that are missing."""
        self._task = asyncio.create_task(self._keep_writing())

    async def stop(self) -> None:
        """Writes a last time."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            await self.write(_lately())

    async def write(self, days: list[date]) -> None:
        """Writes the files of these days, where they do not say the same already. What hinders it is logged once."""
        try:
            by_day: dict[date, list[UsageRow]] = {}
            for row in await read(self.redis, days):
                by_day.setdefault(row.day, []).append(row)
            await asyncio.to_thread(self._write, by_day)
            self._trouble = ""
        except (OSError, RedisError) as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                log.warning("usage_not_written", folder=str(self.folder), reason=self._trouble)

    async def _keep_writing(self) -> None:
        today = datetime.now(UTC).date()
        await self.write([day for day in usage.kept_days(today) if not self._file(day).exists()])
        while True:
            await self.write(_lately())
            await asyncio.sleep(EVERY_S)

    def _write(self, by_day: dict[date, list[UsageRow]]) -> None:
        if by_day:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for day, rows in by_day.items():
            text = "".join(f"{row.model_dump_json()}\n" for row in rows)
            file = self._file(day)
            if not file.exists() or file.read_text() != text:
                _replace(file, text.encode())

    def _file(self, day: date) -> Path:
        return self.folder / f"{day.isoformat()}.jsonl"


def _lately() -> list[date]:
    """The days whose counts may have changed since the last writing."""
    today = datetime.now(UTC).date()
    return [today - timedelta(days=1), today]


def _replace(file: Path, data: bytes) -> None:
    """Writes a file that only its owner reads, whole or not at all, also when the power fails."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
            opened.write(data)
            opened.flush()
            os.fsync(opened.fileno())
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
