"""The audit log: who made, changed or revoked a key, and who used an administrator's right, as JSON lines."""

from __future__ import annotations

import fcntl
import json
import os
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

Outcome = Literal["done", "refused", "failed"]
"""What came of it: done; refused to whoever asked, with nothing changed; or failed on the way."""

MOST_CHARACTERS = 256
"""Of an object that a caller names, so many are kept."""


@dataclass
class Act:
    """What somebody did, or was refused."""

    action: str
    object: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    def line(self, outcome: Outcome, **who: Any) -> dict[str, Any]:
        """As it stands in the log.

        Args:
            who: `by`, the way that it came (`http`, `cli`), and what is known of whoever did it.
        """
        return {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            **who,
            "action": self.action,
            "object": self.object[:MOST_CHARACTERS],
            "outcome": outcome,
            **self.details,
        }


_acts: ContextVar[list[Act] | None] = ContextVar("acts", default=None)


def collect() -> list[Act]:
    """A new list of what the request in hand does, which `note` adds to from now on."""
    acts: list[Act] = []
    _acts.set(acts)
    return acts


def note(action: str, object: str = "") -> None:
    """Has something that the request in hand does in the log, once; of what no request does, nothing."""
    acts = _acts.get()
    if acts is not None and not any((act.action, act.object) == (action, object) for act in acts):
        acts.append(Act(action, object))


def detail(object: str, **details: Any) -> None:
    """Says more of what was noted last: its object, once that is known, and what was done to it."""
    if acts := _acts.get():
        acts[-1].object = object
        acts[-1].details |= details


class AuditLog:
    """A file that lines are added to. It may be moved away at any time: it is opened for each of them."""

    def __init__(self, file: Path):
        self.file = file

    def write(self, lines: list[dict[str, Any]]) -> None:
        """Adds lines, and returns once they are on the disk. A new file is its owner's alone (0600).

        Raises:
            OSError: they cannot be added.
        """
        text = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        opened = os.open(self.file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(opened, "ab", buffering=0) as log:
            fcntl.flock(opened, fcntl.LOCK_EX)  # else the line that another is writing looks torn
            end = os.fstat(opened).st_size
            torn = end > 0 and os.pread(opened, 1, end - 1) != b"\n"  # by a disk that was full
            data = ("\n" if torn else "").encode() + text.encode(errors="replace")
            if log.write(data) != len(data):
                raise OSError("the disk took only a part of the line")
            os.fsync(opened)
