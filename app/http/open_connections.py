"""How many connections a process serves at once, and which of them is closed for a new one."""

from __future__ import annotations

from typing import Protocol

_SETTLED_S = 0.1
"""A connection that was made or answered on a moment ago is not closed for another: its request may be here, unread."""
_MAX_TURNED_AWAY = 64
"""Connections beyond the bound that are held until they have had their answer."""


class Connection(Protocol):
    """What can be closed for the sake of another."""

    def may_close(self) -> bool:
        """Whether all that was sent on it has left this process."""
        ...

    def close_for_another(self) -> None:
        """Ends it."""
        ...


class OpenConnections:
    """The connections of one process. Those that wait for a request make room for new ones, oldest first."""

    def __init__(self, most: int):
        """
        Args:
            most: that are served at once.
        """
        self._most = most
        self._served: set[Connection] = set()
        self._waiting: dict[Connection, float] = {}
        self._turned_away: set[Connection] = set()

    def admits(self, connection: Connection, now: float) -> bool:
        """Whether there is room for a new connection, or could be made; then it is one of those served.

        Args:
            now: of a clock in seconds, the same in all calls.
        """
        if len(self._served) >= self._most and not self._make_room(now):
            return False
        self._served.add(connection)
        self.waits(connection, now)
        return True

    def holds(self, connection: Connection) -> bool:
        """Whether one that was not admitted may stay until it has its answer."""
        if len(self._turned_away) >= _MAX_TURNED_AWAY:
            return False
        self._turned_away.add(connection)
        return True

    def waits(self, connection: Connection, now: float) -> None:
        """It has no request underway, from now on."""
        if connection in self._served:
            self._waiting.setdefault(connection, now)

    def is_busy(self, connection: Connection) -> None:
        """A request's head is in."""
        self._waiting.pop(connection, None)

    def left(self, connection: Connection) -> None:
        """It is closed."""
        self._served.discard(connection)
        self._waiting.pop(connection, None)
        self._turned_away.discard(connection)

    def _make_room(self, now: float) -> bool:
        for connection, since in self._waiting.items():
            if now - since < _SETTLED_S:
                return False
            if connection.may_close():
                self.left(connection)
                connection.close_for_another()
                return True
        return False
