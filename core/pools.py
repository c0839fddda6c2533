"""Pools: which workers serve which models, and how much work waits for each kind of worker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

DEFAULT = "default"
"""The pool of the models that no other one names."""


class Pools:
    """The models of each pool, by patterns of their names; the first pool that has a fitting one owns a model."""

    def __init__(self, patterns: Iterable[tuple[str, Sequence[str]]]):
        """
        Args:
            patterns: each pool's name, and patterns of model names as a shell has them (`*`, `?`, `[…]`).
        """
        self._patterns = dict(patterns)

    @property
    def names(self) -> tuple[str, ...]:
        """All pools; `DEFAULT` is always one."""
        return tuple(dict.fromkeys((*self._patterns, DEFAULT)))

    def of(self, model: str) -> str:
        """The pool that owns a model."""
        for pool, patterns in self._patterns.items():
            if any(fnmatchcase(model, pattern) for pattern in patterns):
                return pool
        return DEFAULT

    def serves(self, pool: str | None, model: str) -> bool:
        """Whether a worker of this pool serves a model; one of no pool serves all."""
        return pool is None or self.of(model) == pool
