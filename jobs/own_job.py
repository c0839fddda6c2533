"""rq's job, without what its hash could make rq run or call besides the one function: whoever can write to Redis could
name any."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rq.job import Job

_REFUSED = frozenset(
    {
        "success_callback_name", "failure_callback_name", "stopped_callback_name", "webhooks",
        "dependency_id", "dependency_ids", "repeats_left", "rate_limit_key", "rate_limit_concurrency", "group_id",
    }
)  # fmt: skip
"""Fields of rq's job hash that no job of ours has: functions of any name, addresses that nobody has judged, and other
jobs to be brought about."""


class OwnJob(Job):
    """A job of a queue of ours. What may run it says so by `func`."""

    def restore(self, raw_data: Mapping[Any, Any]) -> Any:
        """Reads a job's hash. What is refused is as if it were not there."""
        return super().restore({name: value for name, value in raw_data.items() if _text(name) not in _REFUSED})

    @property
    def func(self) -> Callable[..., Any]:
        """Raises `ValueError`: a worker of batches runs no function that a job names."""
        raise ValueError(f"a job of {self.func_name!r} is not run by its name")


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else name
