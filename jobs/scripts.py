"""The steps that must happen as one, as Lua scripts in Redis. They keep rq's own keys as rq itself would.

Where a script makes keys of ids that it finds on its way, their beginnings come from `jobs.keys`, as locals of its
first line: `JOB .. id` is `keys.job_key(id)`. What several scripts share they name in a line `--! name`, which stands
for the file of that name.
"""

from __future__ import annotations

import re
from pathlib import Path

from jobs.keys import LUA_PREFIXES

_FOLDER = Path(__file__).parent / "lua"


def _read(name: str) -> str:
    text = _text(name)
    code = re.sub(r"--.*", "", text)
    used = [prefix for prefix in LUA_PREFIXES if re.search(rf"\b{prefix}\b(?!')", code)]
    if not used:
        return text
    values = ", ".join(f"'{LUA_PREFIXES[prefix]}'" for prefix in used)
    return f"local {', '.join(used)} = {values}\n{text}"


def _text(name: str) -> str:
    text = (_FOLDER / f"{name}.lua").read_text()
    return re.sub(r"^--! (\w+)$", lambda found: _text(found[1]), text, flags=re.MULTILINE)


CLAIM, RELEASE, ENQUEUE = map(_read, ("claim", "release", "enqueue"))
BEGIN, SUCCEED, CANCEL, PURGE, POSITION = map(_read, ("begin", "succeed", "cancel", "purge", "position"))
KEEP_UPLOAD, FORGET_UPLOAD, USAGE = map(_read, ("keep_upload", "forget_upload", "usage"))
NOTE_LINES = _read("note_lines")
