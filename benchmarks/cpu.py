"""What processes have cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress

import psutil


def spent(processes: Iterable[psutil.Process], parts: Mapping[str, str]) -> dict[str, float]:
    """CPU seconds so far, user's and system's, by part.

    Args:
        parts: their names, by words of their command lines; the first that fit count, what none fit is left out.
    """
    found: dict[str, float] = defaultdict(float)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            line = " ".join(process.cmdline())
            part = next((name for words, name in parts.items() if words in line), None)
            if part is not None:
                found[part] += sum(process.cpu_times()[:2])
    return found
