"""Loads models beside the thread that computes, so that requests for models in memory do not wait for those that are
read: one at a time, each with the batch that asked for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch

from workers.batch import Batch
from workers.runner import RunnableJob


@dataclass(frozen=True)
class ReadyBatch:
    """A batch whose models are in memory, and its jobs as they are to be computed."""

    batch: Batch
    jobs: Sequence[RunnableJob]


class Loader:
    """One load at a time."""

    def __init__(self, threads: int):
        """
        Args:
            threads: that a load may use.
        """
        self._thread = ThreadPoolExecutor(1, "loader", torch.set_num_threads, (threads,))
        self._loading: Future[ReadyBatch | None] | None = None
        self.model = ""
        """What is loaded, until the outcome was taken."""

    @property
    def busy(self) -> bool:
        """Whether a load is under way, or its outcome not yet taken."""
        return self._loading is not None

    def begin(self, model: str, load: Callable[[], ReadyBatch | None]) -> None:
        """Begins a load while none is under way; None of one that nobody waits for."""
        self.model, self._loading = model, self._thread.submit(load)

    def take(self, waiting: bool = False) -> ReadyBatch | None:
        """The batch whose load has ended, if one has; with `waiting`, once it has. Raises what the load raised."""
        if self._loading is None or not (waiting or self._loading.done()):
            return None
        loading, self._loading, self.model = self._loading, None, ""
        return loading.result()

    def close(self) -> None:
        """Ends the thread."""
        self._thread.shutdown()
