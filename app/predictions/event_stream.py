"""What happens to a prediction, as its watchers see it."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from app.http.errors import NotFound, TooMany, Unavailable
from core import logs
from core.redis_errors import is_passing
from jobs.prediction import ENDED, Loading, Snapshot, Status

if TYPE_CHECKING:
    from app.predictions.service import Predictions

log = logs.get(__name__)

KEY_SHARE = 4
"""One API key may have one of so many parts of the event streams of a process."""
EVENTS_EVERY_S = 0.5
LOOKS = 200
"""Seconds between two looks at a prediction that is watched and of which nothing is said, and looks a second in all."""


@dataclass(frozen=True)
class StreamEvent:
    """Something that happened to a prediction. `id` is that of the newest progress known by then."""

    name: str
    id: str
    data: dict[str, Any] | Snapshot


class Watchers:
    """Those who watch predictions through this process."""

    def __init__(self, limit: int):
        self.limit = limit
        self.per_key = max(1, limit // KEY_SHARE)
        self.count = 0
        self._of_owner: Counter[str] = Counter()

    @property
    def pause_s(self) -> float:
        """Between two looks of one watcher, so that all together take `LOOKS` a second at most."""
        return max(EVENTS_EVERY_S, self.count / LOOKS)

    def require_room(self, owner: str) -> None:
        """Raises `Unavailable` if there are as many as may be, `TooMany` if an API key has its share."""
        if owner and self._of_owner[owner] >= self.per_key:
            raise TooMany(
                f"{self.per_key} event streams of this key are open already",
                code="too_many_streams",
                limit=self.per_key,
                reset_s=5,
            )
        if self.count >= self.limit:
            raise Unavailable(f"{self.limit} event streams are open already", code="too_many_watchers", retry_after_s=5)

    @contextmanager
    def one_more(self, owner: str) -> Iterator[None]:
        """Counts one of an owner, inside `with`."""
        self.count += 1
        self._of_owner[owner] += 1
        try:
            yield
        finally:
            self.count -= 1
            self._of_owner[owner] -= 1
            self._of_owner += Counter()  # forgets those who watch no more


def canonical_event(id: str) -> str:
    """The id of an event, or none, as Redis writes it. Raises `ValueError` for one that no stream can have."""
    parts = [int(part) for part in id.split("-")] if id else []
    if any(part >= 2**64 for part in parts):
        raise ValueError("no event has this id")
    return "-".join(map(str, parts))


async def stream(predictions: Predictions, prediction: str, after: str) -> AsyncIterator[StreamEvent]:
    """What happens to a prediction from now to its end, and the progress since the event `after`.

    Yields `queued` (position, eta_s) whenever the position changes, `started` once, `loading` (estimate_s) while
    a worker loads the model and `loaded` after it, each `progress` (step, total), a `preview` (image, a data URI) after
    it where the model has one, and `completed` with the prediction, the last.
    An outage of Redis is sat out; of a prediction that is deleted meanwhile nothing more is reported, nor to a caller
    whose key is revoked.
    """
    reported: object = None
    loading: Loading | None = None
    with predictions.store.waiter(prediction) as waiter, predictions.watchers.one_more(predictions.caller.owner):
        while True:
            try:
                if not await predictions.caller.is_known():
                    return
                found = await predictions.get(prediction)
                position = await predictions.store.position(found) if found.status is Status.QUEUED else None
                pace = None if position is None else await predictions.store.pace(found.order.model)
                news = await predictions.store.events(prediction, after)
            except NotFound:
                return  # it was deleted
            except RedisError as error:
                if not is_passing(error):
                    raise
                log.warning("redis_unreachable", error=str(error))
                await asyncio.sleep(EVENTS_EVERY_S)
                continue
            if found.status is Status.QUEUED:
                if position is not None and position != reported:
                    reported = position
                    eta = None if pace is None else round((position + 1) * pace, 3)
                    yield StreamEvent("queued", after, {"position": position, "eta_s": eta})
            elif reported is not Status.PROCESSING:
                reported = Status.PROCESSING
                yield StreamEvent("started", after, {"started_at": found.started_at and found.started_at.isoformat()})
            if found.loading != loading and found.status is Status.PROCESSING:
                loading = found.loading
                yield (
                    StreamEvent("loading", after, loading.model_dump()) if loading else StreamEvent("loaded", after, {})
                )
            for progress in news:
                after = progress.id
                yield StreamEvent("progress", after, {"step": progress.step, "total": progress.total})
                if progress.preview:
                    yield StreamEvent("preview", after, {"image": _data_uri(progress.preview)})
            if found.status in ENDED:
                yield StreamEvent("completed", after, found)
                return
            await waiter.changed(predictions.watchers.pause_s)


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
