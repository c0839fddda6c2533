"""Batches that other processes draw ahead, in an order that is known beforehand."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from training.data import Source

AHEAD = 4
"""Batches that each process is ahead."""


class Batches:
    """Batches of a source for seeds in their order.

    Args:
        count: examples in a batch.
        share: the rows of it that are taken, where others are another process's.
        processes: that draw; 0: they are drawn when they are asked for.
    """

    def __init__(
        self,
        source: Source,
        count: int,
        seeds: Iterable[int],
        share: slice,
        processes: int = 0,
        pinned: bool = False,
    ):
        self.waited = 0.0
        """Seconds that were spent waiting for batches."""
        drawn = _Drawn(source, count, share)
        self._batches: Iterator[dict[str, Tensor]] = iter(
            DataLoader(
                drawn,
                batch_size=None,
                sampler=seeds,
                num_workers=processes,
                prefetch_factor=AHEAD if processes else None,
                pin_memory=pinned,
            )
        )

    def next(self) -> dict[str, Tensor]:
        """The batch of the next seed."""
        started = time.monotonic()
        batch = next(self._batches)
        self.waited += time.monotonic() - started
        return batch


class _Drawn(Dataset[dict[str, Tensor]]):
    """The batch of each seed."""

    def __init__(self, source: Source, count: int, share: slice):
        self.source, self.count, self.share = source, count, share

    def __getitem__(self, seed: int) -> dict[str, Tensor]:
        return self.source.batch(self.count, seed, self.share)
