"""The steps that must happen as one, as Lua scripts in Redis. They keep rq's own keys as rq itself would."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent / "lua"

ENQUEUE, BEGIN, SUCCEED, CANCEL, PURGE = (
    (_FOLDER / f"{name}.lua").read_text() for name in ("enqueue", "begin", "succeed", "cancel", "purge")
)
