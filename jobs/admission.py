"""Admission: what is judged of a prediction before its pictures are read, and what is counted against its owner.

Everything is judged and counted in one script, so that requests at the same time neither slip past a bound nor count
without being admitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from secrets import token_hex
from typing import Any

from jobs import keys
from jobs.prediction import Priority


@dataclass(frozen=True)
class Bounds:
    """What one owner may have: predictions that have not ended, images a day, bytes that are kept."""

    outstanding: int
    daily: int
    kept_bytes: int


@dataclass(frozen=True)
class Claim:
    """What a prediction asks for.

    `request` names the request, if the caller did, and `digest` is of its content; `images` are the most that are known
    so far, and `needed` the bytes that are to be kept. `token` tells this try at a request from others.
    """

    prediction: str
    model: str
    priority: Priority
    max_queue: int
    owner: str = ""
    request: str | None = None
    digest: str = ""
    images: int = 1
    needed: int = 0
    bounds: Bounds | None = None
    token: str = field(default_factory=lambda: token_hex(8))
    counted: int = 0
    """Of the images, those that were counted when the claim was granted."""
    since: str = ""
    """When the day began that they were counted to; empty before the claim is granted."""

    def granted(self, since: str) -> Claim:
        """The same, once it is counted."""
        return replace(self, counted=self.images, since=since)

    @property
    def keys(self) -> list[str]:
        """Of `scripts.CLAIM`, and the first of `scripts.ENQUEUE`."""
        return [keys.job_key(self.prediction), keys.queue_key(self.model, self.priority), self._request_key]

    @property
    def args(self) -> list[Any]:
        """Of `scripts.CLAIM`, and the first of `scripts.ENQUEUE`."""
        bounds = (self.bounds.outstanding, self.bounds.daily, self.bounds.kept_bytes) if self.bounds else ("", "", "")
        asked = [self.prediction, self.owner, self.digest, self.token, self.max_queue, self.images, self.counted]
        return [*asked, self.since, self.needed, *bounds]

    def release(self, made_perhaps: bool) -> tuple[Sequence[str], Sequence[Any]]:
        """Keys and arguments of `scripts.RELEASE`.

        Args:
            made_perhaps: whether a prediction of this id may be the one that was claimed, which then stays.
        """
        args = [self.prediction, self.owner, self.token, self.counted, self.since, int(made_perhaps)]
        return [keys.job_key(self.prediction), self._request_key], args

    @property
    def _request_key(self) -> str:
        """Of a request without a name the prediction's own: a script may have no key that is none."""
        return keys.idempotency_key(self.request) if self.request else keys.job_key(self.prediction)
