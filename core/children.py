"""Child processes that end when the process that started them does, however that ends."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

_SET_PARENT_DEATH_SIGNAL = 1
"""Of prctl(2)."""


def start_child(command: Sequence[str], **options: Any) -> subprocess.Popen:
    """Starts a process in a session of its own, so that Ctrl-C reaches this one alone and stops all in our order.

    On Linux it is sent SIGTERM when the thread that calls this ends: to the main thread's children when this process
    does, be it by kill -9. `options` are those of `subprocess.Popen`.
    """
    ends = _ends_with(os.getpid()) if sys.platform == "linux" else None
    return subprocess.Popen(command, start_new_session=True, preexec_fn=ends, **options)


def _ends_with(parent: int) -> Any:
    prctl = ctypes.CDLL(None).prctl

    def end_with_parent() -> None:
        prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
        if os.getppid() != parent:  # it died before
            os._exit(1)

    return end_with_parent
