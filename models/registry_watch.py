"""Keeps a registry up to date while a process serves: a look at its folders every few seconds, or when told to."""

from __future__ import annotations

import threading
from collections.abc import Callable

from models.registry import Registry


class RegistryWatch:
    """Looks in a thread of its own, so that requests and forward passes wait for no disk."""

    def __init__(self, registry: Registry, every_s: float, changed: Callable[[], None]):
        """
        Args:
            every_s: between two looks; 0: only when told to.
            changed: called, in the thread, after a look that found something else than the one before.
        """
        self.registry, self.every_s, self.changed = registry, every_s, changed
        self._told = threading.Event()
        self._stopped = False

    def start(self) -> None:
        """Looks until it is stopped."""
        threading.Thread(target=self._watch, name="registry", daemon=True).start()

    def look(self) -> None:
        """Has it look at once."""
        self._told.set()

    def stop(self) -> None:
        """Looks no more."""
        self._stopped = True
        self._told.set()

    def _watch(self) -> None:
        while True:
            self._told.wait(self.every_s or None)
            self._told.clear()
            if self._stopped:
                return
            if self.registry.refresh():
                self.changed()
