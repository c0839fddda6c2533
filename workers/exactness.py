"""Which batch sizes give an image the same bytes wherever it stands in the batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import torch
from torch import Tensor


class ExactSizes:
    """The batch sizes of one task of one model, up to a limit, at which its images agree to the last bit.

    Libraries choose another kernel, and so another order of summation, for another batch size; a difference of 1e-7 can
    turn a pixel. So it is measured on probe rows: of the powers of two, the largest set that agrees in the first, a
    middle and the last row. Any other size is measured when it is first asked for. Measuring also warms the model up.
    """

    def __init__(self, run: Callable[[range], Tensor], limit: int, alone: bool = False):
        """
        Args:
            run: images of the probe rows with these indices below `limit`, made in one batch.
            alone: whether they have to agree with an image that is made alone.
        """
        self.run = run
        ladder = [2**power for power in range(limit.bit_length()) if 2**power <= limit]
        self.largest = ladder[-1]
        witnesses = (0, self.largest // 2, self.largest - 1)
        agreeing: dict[bytes, list[int]] = defaultdict(list)
        images: dict[bytes, Tensor] = {}
        for size in ladder:
            made = {start: run(range(start, start + size)) for start in {row // size * size for row in witnesses}}
            rows = b"".join(made[row // size * size][row % size].numpy().tobytes() for row in witnesses)
            agreeing[rows].append(size)
            images[rows] = made[0]
        if alone:
            agreeing = {rows: sizes for rows, sizes in agreeing.items() if 1 in sizes}
        chosen = max(agreeing, key=lambda rows: (len(agreeing[rows]), agreeing[rows][-1]))
        self.known = agreeing[chosen]
        """Sizes that agree, in rising order."""
        self.largest = self.known[-1]
        self._reference = images[chosen]
        self._refused = set(ladder) - set(self.known)

    def holding(self, count: int) -> int:
        """The smallest of the sizes that holds so many rows; `count` is 1 to `largest`."""
        if count not in self.known and count not in self._refused:
            if torch.equal(self.run(range(count)), self._reference[:count]):
                self.known = sorted([*self.known, count])
            else:
                self._refused.add(count)
        return next(size for size in self.known if size >= count)


class Alone:
    """One image at a time, which needs no measuring."""

    largest = 1

    def holding(self, count: int) -> int:
        """1."""
        return count


ALONE = Alone()
