"""What each API key has had, for bills: counted by day in the transactions that end predictions, read as rows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pydantic import BaseModel, Field

from jobs.keys import usage_key
from jobs.prediction import Image, Order, Status
from models.card import Task

KEPT_DAYS = 40
"""How long a day's counts stay in Redis after the last of them."""
KEPT_S = KEPT_DAYS * 24 * 3600


class UsageRow(BaseModel):
    """What one key has had of one task of one model on one day, by the moment at which its predictions ended (UTC)."""

    day: date
    key: str = Field(description="the key's id; empty for what was asked without a key, where access is open")
    model: str
    task: Task
    succeeded: int = Field(0, description="predictions that have an answer")
    failed: int = Field(0, description="predictions that have none")
    canceled: int = Field(0, description="predictions that were canceled before they had one")
    images_asked: int = Field(0, description="pictures that all of these were to have")
    images: int = Field(0, description="pictures that were made; none by tasks that answer with numbers")
    pixels: int = Field(0, description="of those pictures, all together")
    compute_ms: float = Field(
        0, description="of a worker, for those that succeeded: their shares of forward passes, and their encoding"
    )


def counts_of(order: Order, status: Status, images: Sequence[Image] = (), compute_ms: float = 0) -> dict[str, int]:
    """What one end adds to the hash of its day (`keys.usage_key`), by field."""
    counted = {
        status.value: 1,
        "images_asked": _asked(order),
        "images": len(images),
        "pixels": sum(image.width * image.height for image in images),
        "compute_us": round(compute_ms * 1000),
    }
    return {f"{order.owner} {order.model} {order.task.value} {name}": count for name, count in counted.items() if count}


def _asked(order: Order) -> int:
    """How many pictures the order was to have; none of an order that no API has checked and that fails for it."""
    shown: Any = order.shown if order.task.pictured else 0
    return shown if isinstance(shown, int) and 0 <= shown < 2**31 else 0


def count(pipeline: Any, ended_at: datetime, ends: Iterable[Mapping[str, int]]) -> None:
    """Adds ends to their day, in the caller's transaction."""
    total: Counter[str] = Counter()
    for each in ends:
        total.update(each)
    key = day_key(ended_at)
    for name, amount in total.items():
        pipeline.hincrby(key, name, amount)
    if total:
        pipeline.expire(key, KEPT_S)


def day_key(moment: datetime) -> str:
    """Where the ends of a moment are counted."""
    return usage_key(moment.astimezone(UTC).date().isoformat())


def kept_days(today: date) -> list[date]:
    """The days that Redis may have counts of, the oldest first."""
    return [today - timedelta(days=past) for past in range(KEPT_DAYS, -1, -1)]


def rows(day: date, counts: Mapping[bytes, bytes]) -> list[UsageRow]:
    """The rows of a day, by key, model and task."""
    found: dict[tuple[str, ...], dict[str, Any]] = defaultdict(dict)
    for field, amount in counts.items():
        key, model, task, name = field.decode().split(" ")
        value = int(amount)
        found[key, model, task] |= {"compute_ms": value / 1000} if name == "compute_us" else {name: value}
    return [
        UsageRow(day=day, key=key, model=model, task=Task(task), **measured)
        for (key, model, task), measured in sorted(found.items())
    ]
