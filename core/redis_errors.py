"""Which of Redis's errors pass by themselves."""

import re

from redis.exceptions import (
    BusyLoadingError,
    ConnectionError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TimeoutError,
    WatchError,
)

_AWAY = (BusyLoadingError, ConnectionError, MasterDownError, ReadOnlyError, TimeoutError, WatchError)
_AWAY_CODES = re.compile(r"\b(LOADING|MASTERDOWN|READONLY|NOREPLICAS)\b")
_UNREPLICATED_CODES = re.compile(r"\bNOREPLICAS\b")
_FULL_CODES = re.compile(r"\b(MISCONF|OOM)\b")
"""For errors without a type of their own, and for those of a command in a script: redis-py knows them by the text."""


def is_full(error: Exception) -> bool:
    """Whether Redis takes nothing more, because its memory or its disk is full. It still answers what only reads."""
    return isinstance(error, OutOfMemoryError) or _says(error, _FULL_CODES)


def is_unreplicated(error: Exception) -> bool:
    """Whether Redis has fewer replicas at hand than it, or Easel, is to write to."""
    return _says(error, _UNREPLICATED_CODES)


def is_passing(error: Exception) -> bool:
    """Whether Redis cannot do it now, and may later: it cannot be reached, is loading its data, or is full."""
    return isinstance(error, _AWAY) or _says(error, _AWAY_CODES) or is_full(error)


def _says(error: Exception, codes: re.Pattern[str]) -> bool:
    return isinstance(error, ResponseError) and bool(codes.search(str(error)))
