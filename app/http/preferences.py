"""What a request's headers prefer: how long to wait for the answer (RFC 7240), and when to give the work up."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

DURATION = r"^([0-9]{1,3}h([0-9]{1,4}m)?([0-9]{1,5}s)?|[0-9]{1,4}m([0-9]{1,5}s)?|[0-9]{1,5}s?)$"
"""Hours, minutes and seconds as Replicate's `Cancel-After` has them: `90`, `30s`, `1h30m`."""

_UNITS = {"h": 3600, "m": 60, "s": 1, "": 1}
_WAIT = re.compile(r"wait(?:\s*=\s*\"?(\d{1,6})\"?)?", re.IGNORECASE)
_ASYNC = "respond-async"


@dataclass(frozen=True)
class Preference:
    """How long to wait, None if nothing was said of it; and what of `Prefer` is heeded, for `Preference-Applied`."""

    wait_s: float | None = None
    applied: str = ""


def preferred(headers: Sequence[str], limit_s: float) -> Preference:
    """What the `Prefer` headers ask for: the first `wait=n`, within the limit, or else `respond-async`."""
    asked = [part.partition(";")[0].strip() for header in headers for part in header.split(",")]
    for part in asked:
        if found := _WAIT.fullmatch(part):
            wait_s = min(float(found[1]), limit_s) if found[1] else limit_s
            return Preference(wait_s, f"wait={wait_s:g}")
    if any(part.lower() == _ASYNC for part in asked):
        return Preference(0, _ASYNC)
    return Preference()


def seconds(duration: str) -> int:
    """The seconds of what `DURATION` matches."""
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([hms]?)", duration))
