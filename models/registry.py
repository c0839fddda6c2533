"""Which models there are: the cards found in the model folders. Reads no weights and imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from models.card import CARD_FILE, EXAMPLES, SHEET_FILE, Card

SHIPPED = Path(__file__).parent / "zoo"
"""The models that come with Easel."""


@dataclass(frozen=True)
class Entry:
    """A model that can be asked for, and the folder that holds it."""

    card: Card
    folder: Path

    @property
    def created(self) -> int:
        """When the card was written, in seconds since 1970."""
        return int((self.folder / CARD_FILE).stat().st_mtime)

    @property
    def sheet(self) -> Path | None:
        """The sheet of what it makes, if `easel report` wrote one."""
        path = self.folder / SHEET_FILE
        return path if path.is_file() else None

    @property
    def examples(self) -> dict[str, Path]:
        """Pictures to try it on, by file name."""
        return {path.name: path for path in sorted((self.folder / EXAMPLES).glob("*-*.png"))}


class Registry:
    """The models of some folders, by name; an earlier folder's model hides a later one's of the same name.

    In turn, featured ones come first.

    A folder whose card cannot be read is left out and named in `broken`, so that one bad card hides no other.
    """

    @classmethod
    def with_shipped(cls, folders: Iterable[Path]) -> Registry:
        """The models of a team's own folders, and behind them those that come with Easel."""
        return cls([*folders, SHIPPED])

    def __init__(self, folders: Iterable[Path]):
        self.entries: dict[str, Entry] = {}
        self.broken: dict[Path, str] = {}
        for root in folders:
            for path in sorted(root.glob(f"*/{CARD_FILE}")):
                try:
                    card = Card.read(path.parent)
                except (OSError, ValidationError) as error:
                    self.broken[path.parent] = str(error)
                else:
                    self.entries.setdefault(card.name, Entry(card, path.parent))

    def __getitem__(self, name: str) -> Entry:
        """Raises `KeyError` for a name that no folder has."""
        return self.entries[name]

    def __iter__(self) -> Iterator[Entry]:
        return iter(sorted(self.entries.values(), key=lambda entry: (not entry.card.featured, entry.card.name)))

    def __len__(self) -> int:
        return len(self.entries)

    def served(self) -> list[Entry]:
        """The models that offer at least one task to requests (judges offer none)."""
        return [entry for entry in self if entry.card.tasks]
