"""What names stand for, where a folder of models says it: `aliases.json`, which is replaced as a whole.

It maps a model's name, or an alias such as `zebra-latest`, to references (`name@sha256`): first what it stands for,
then what it stood for before, for the way back.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from models.card import ModelName, Reference

ALIASES_FILE = "aliases.json"
_LOCK_FILE = ".lock"
KEPT = 20
"""How many versions a name remembers."""

Aliases = dict[ModelName, Annotated[list[Reference], Field(min_length=1)]]
_FILE = TypeAdapter(Aliases)


class BadAliases(ValueError):
    """A file of aliases that cannot be read: the message says why."""


def read(root: Path) -> Aliases:
    """What a folder's names stand for; nothing if it does not say. Raises `BadAliases`."""
    try:
        return _FILE.validate_json((root / ALIASES_FILE).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise BadAliases(str(error)) from error
    except ValidationError as error:
        first = error.errors()[0]
        raise BadAliases(f"{'.'.join(map(str, first['loc'])) or ALIASES_FILE}: {first['msg']}") from error


@contextmanager
def changing(root: Path) -> Iterator[Aliases]:
    """A folder's names, to be changed by one at a time; what they are at the end is moved into place.

    Raises:
        BadAliases: what stands there cannot be read.
        OSError: it cannot be written.
    """
    root.mkdir(parents=True, exist_ok=True)
    with (root / _LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        names = read(root)
        before = _FILE.dump_json(names)
        yield names
        if _FILE.dump_json(names) != before:
            beside = root / f".{ALIASES_FILE}"
            beside.write_bytes(_FILE.dump_json(names, indent=2) + b"\n")
            beside.replace(root / ALIASES_FILE)


def point(names: Aliases, name: str, reference: str) -> None:
    """Has a name stand for a version from now on; it remembers what it stood for."""
    former = [each for each in names.get(name, []) if each != reference]
    names[name] = [reference, *former][:KEPT]
