"""How long a prediction may take: an alarm while it is computed, and a look at the clock between its images.

Code that never comes back to Python hears no alarm; then the process ends.
"""

from __future__ import annotations

import faulthandler
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

from rq.timeouts import JobTimeoutException

Found = TypeVar("Found")

AGAIN_S = 0.5
"""The alarm rings again after so long, until what it rang for has ended."""
HUNG_S = 30
"""A process that has not heard the alarm for so long ends: it would hold its jobs for ever."""
_STDERR = 2


class TimeIsUp(BaseException):
    """Raised by the alarm. It is no `Exception`, since exporters and the like swallow those, whatever they mean."""


def within(seconds: float, act: Callable[[], Found]) -> tuple[Found, float]:
    """What `act` returns, and how many of the seconds are left.

    In the main thread it is stopped between two steps of Python. What swallows the alarm hears it again, and if it ends
    by itself after that, it is too late. If it still runs `HUNG_S` later, the process writes where it hangs to its
    standard error, and ends. In another thread there is no alarm, and a late end alone is told.

    Raises:
        JobTimeoutException: it took longer.
    """
    began, over = time.monotonic(), False

    def ring(signum: int, frame: FrameType | None) -> None:
        if not over:
            raise TimeIsUp

    alarmed = threading.current_thread() is threading.main_thread()
    former = signal.signal(signal.SIGALRM, ring) if alarmed else None
    try:
        try:
            if alarmed:
                faulthandler.dump_traceback_later(seconds + HUNG_S, exit=True, file=_STDERR)
                signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN_S)
            found = act()
        finally:
            over = True
            if alarmed:
                signal.setitimer(signal.ITIMER_REAL, 0)
    except TimeIsUp:
        over = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        raise _too_late(seconds) from None
    except Exception as error:
        if time.monotonic() - began > seconds:
            raise _too_late(seconds) from error
        raise
    finally:
        if alarmed:
            signal.signal(signal.SIGALRM, former)
            faulthandler.cancel_dump_traceback_later()
    left_s = began + seconds - time.monotonic()
    if left_s < 0:
        raise _too_late(seconds)
    return found, left_s


class Clock:
    """Time that runs from now on, for what has no alarm since it is not in the main thread."""

    def __init__(self, seconds: float):
        self.seconds = seconds
        self._ends = time.monotonic() + seconds

    def check(self) -> None:
        """Raises `JobTimeoutException` once the time is up."""
        if time.monotonic() > self._ends:
            raise _too_late(self.seconds)


def _too_late(seconds: float) -> JobTimeoutException:
    return JobTimeoutException(f"it took longer than {seconds:g} s")
