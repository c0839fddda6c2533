"""Which batch sizes give an image the same bytes wherever it stands in the batch.

Libraries choose another kernel, and so another order of summation, for another batch size; a difference of 1e-7 can
turn a pixel. So one size is the model's own, and another is used where its images agree with that one's to the last
bit. Nothing is measured before it is needed: the first answer waits for no size but its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

Verdicts = dict[int, bool]
"""Of batch sizes: whether they agree with the model's own."""


class ExactSizes:
    """The batch sizes of one forward pass of one model, up to a limit, at which its images agree to the last bit.

    A size larger than the model's own is measured when it is first wanted. A smaller one would only save work, so it is
    measured when it is wanted again.
    """

    def __init__(
        self,
        run: Callable[[range], Tensor],
        limit: int,
        own: int = 1,
        verdicts: Verdicts | None = None,
        keep: Callable[[Verdicts], None] = lambda verdicts: None,
    ):
        """
        Args:
            run: images of the probe rows with these indices below `limit`, made in one batch.
            limit: the largest size that may be used.
            own: the size that the others have to agree with; `limit`, if that is less.
            verdicts: what was measured before, with the same `own`.
            keep: called with what has been measured by now, whenever that is more.
        """
        self.run, self.limit, self.own = run, limit, min(own, limit)
        self.verdicts: Verdicts = {**(verdicts or {}), self.own: True}
        self.keep = keep
        self._wanted: set[int] = set()
        self._images: dict[int, Tensor] = {}

    @property
    def known(self) -> list[int]:
        """The sizes that agree, as far as is known, in rising order."""
        return sorted(size for size, agrees in self.verdicts.items() if agrees and size <= self.limit)

    def batches(self, count: int) -> list[tuple[int, int]]:
        """How so many rows are made: of each batch the rows, and the size that holds them."""
        full, rest = divmod(count, self.limit)
        parts = [self.limit] * full + [rest] * (rest > 0)
        return [batch for part in parts for batch in self._split(part)]

    def _split(self, count: int) -> Iterator[tuple[int, int]]:
        size = self._best(count)
        for start in range(0, count, size):
            yield min(size, count - start), size

    def _best(self, count: int) -> int:
        """The size in which so many rows are made: their number, the power of two above it, or less than they are."""
        above = 1 << (count - 1).bit_length()
        for size in dict.fromkeys((count, above)):
            if size <= self.limit and self._agrees(size):
                return size
        below = (2**power for power in reversed(range(count.bit_length())) if self.own < 2**power < count)
        return next(filter(self._agrees, below), self.own)

    def _agrees(self, size: int) -> bool:
        if size not in self.verdicts:
            if size < self.own and size not in self._wanted:
                self._wanted.add(size)
                return False
            self.verdicts[size] = self._measure(size)
            self.keep(self.verdicts)
        return self.verdicts[size]

    def _measure(self, size: int) -> bool:
        made = self.run(range(size))
        rows = sorted({0, size // 2, size - 1})
        return all(torch.equal(made[row], self._own_image(row)) for row in rows)

    def _own_image(self, row: int) -> Tensor:
        """The image of a probe row as the model's own size makes it."""
        if row not in self._images:
            start = min(row, self.limit - self.own)
            for place, image in enumerate(self.run(range(start, start + self.own))):
                self._images[start + place] = image
        return self._images[row]
