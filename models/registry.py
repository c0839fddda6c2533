"""Which models there are: the cards found in the model folders, and which version each name stands for.

A version of a model is its name and the sha256 of its weights, together its reference `name@sha256`; a folder holds
one. Reads no weights unless told to, and imports no torch.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from pydantic import ValidationError

from models import aliases
from models.aliases import ALIASES_FILE, BadAliases
from models.card import CARD_FILE, CLASS_PICTURES, EXAMPLES, SHEET_FILE, WEIGHTS_FILE, Card, Task

SHIPPED = Path(__file__).parent / "zoo"
"""The models that come with Easel."""

_ACTS = (
    (Task.SAMPLE, Task.CONDITIONAL, Task.TEXT),
    (Task.TRANSLATE,),
    (Task.STYLIZE, Task.DREAM),
    (Task.UPSCALE,),
    (Task.INPAINT,),
)
"""What one can do, in the order in which models of it are shown."""

_VERSION = re.compile(r"(?P<name>[^@]+)@(?P<sha256>[0-9a-f]{8,64})")


@dataclass(frozen=True)
class Entry:
    """A version of a model, and the folder that holds it."""

    card: Card
    folder: Path
    created: int
    """When the card was written, in seconds since 1970."""

    @property
    def sheet(self) -> Path | None:
        """The sheet of what it makes, if `easel report` wrote one."""
        path = self.folder / SHEET_FILE
        return path if path.is_file() else None

    @property
    def examples(self) -> dict[str, Path]:
        """Pictures to try it on, by file name."""
        return {path.name: path for path in sorted((self.folder / EXAMPLES).glob("*-*.png"))}

    @property
    def class_pictures(self) -> dict[str, Path]:
        """What classes look like, by class."""
        folder = self.folder / CLASS_PICTURES
        return {name: path for name in self.card.classes if (path := folder / f"{name}.webp").is_file()}


class Incomplete(ValueError):
    """A folder that holds no whole model, or not yet: the message says what is missing."""


@dataclass(frozen=True)
class Catalogue:
    """What some folders held when they were looked at."""

    current: Mapping[str, Entry]
    """What each model's name, and each alias, stands for."""
    versions: Mapping[str, Entry]
    """Every version, by its reference."""
    broken: Mapping[Path, str]
    """What could not be taken up, and why."""


@dataclass(frozen=True)
class _Look:
    """What was found in a folder the last time that it had changed."""

    signature: tuple[int, ...]
    entry: Entry | None
    """None of one that never was whole. One that was keeps its entry while its files are replaced."""
    wrong: str = ""


@dataclass
class _Finding:
    """A catalogue in the making."""

    current: dict[str, Entry] = field(default_factory=dict)
    versions: dict[str, Entry] = field(default_factory=dict)
    broken: dict[Path, str] = field(default_factory=dict)


def _turn(entry: Entry) -> tuple[int, int, str]:
    card = entry.card
    explores = Task.INTERPOLATE in card.tasks or Task.TRAVERSE in card.tasks
    acts = [] if explores else [place for place, tasks in enumerate(_ACTS) if set(tasks) & set(card.tasks)]
    standing = 0 if card.featured else 2 if card.baseline else 1
    return standing, min(acts, default=len(_ACTS)), card.name


class Registry:
    """The models of some folders. In turn, featured ones come first and baselines last; among them, by what one can do:
    make pictures, translate, restyle, enlarge and repair them, explore a latent.

    A folder of models holds a folder for each version, of any name, and may hold `aliases.json` (`models.aliases`).
    What that says goes first; without a word of it, a model's name stands for the version in its plain folder, which is
    one without `@` in its name. Names that begin with a dot are passed over, so that folders can be written under one
    and renamed when they are whole.

    What cannot be taken up is left out and named in `broken`: a card that cannot be read, weights that are missing or
    of another length than the card's, a second folder of one name. `refresh` looks again.
    """

    @classmethod
    def with_shipped(cls, folders: Iterable[Path]) -> Registry:
        """The models of a team's own folders, and behind them those that come with Easel, whose names they may take."""
        return cls([*folders, SHIPPED])

    def __init__(self, folders: Iterable[Path]):
        self.folders = tuple(folders)
        self._looks: dict[Path, _Look] = {}
        self._aliases: dict[Path, aliases.Aliases] = {}
        self._catalogue = Catalogue({}, {}, {})
        self._refreshing = Lock()
        self.refresh(hashing=False)

    def refresh(self, hashing: bool = True) -> bool:
        """Looks at the folders again; whoever asks meanwhile, from any thread, gets the answers of before.

        A folder that was taken up stays so while its files are replaced, until they are whole again.

        Args:
            hashing: take up what is new or has changed once its weights have the card's sha256, since files that are
                being copied may have their length already. Shipped models are not hashed.

        Returns:
            Whether anything has changed.
        """
        with self._refreshing:
            found = self._found(hashing)
            changed, self._catalogue = found != self._catalogue, found
        return changed

    @property
    def broken(self) -> Mapping[Path, str]:
        """What could not be taken up, and why."""
        return self._catalogue.broken

    @property
    def current(self) -> Mapping[str, Entry]:
        """What each model's name, and each alias, stands for."""
        return self._catalogue.current

    @property
    def versions(self) -> Mapping[str, Entry]:
        """Every version, by its reference."""
        return self._catalogue.versions

    def __getitem__(self, name: str) -> Entry:
        """What a name, an alias or a reference stands for; of a reference eight digits are enough.

        Raises `KeyError` if there is none.
        """
        found = self._catalogue.current.get(name)
        if found is not None:
            return found
        return self.version(name)

    def version(self, reference: str) -> Entry:
        """The version of a reference, eight digits of which are enough. Raises `KeyError` if there is none, or more."""
        asked = _VERSION.fullmatch(reference)
        fitting = [each for name, each in self.versions.items() if name.startswith(reference)] if asked else []
        if len(fitting) != 1:
            raise KeyError(reference)
        return fitting[0]

    def versions_of(self, name: str) -> list[Entry]:
        """All versions of a model, the newest first."""
        found = [entry for entry in self.versions.values() if entry.card.name == name]
        return sorted(found, key=lambda entry: entry.created, reverse=True)

    def aliases_of(self, entry: Entry) -> list[str]:
        """The names that stand for a version, besides its model's own."""
        return sorted(name for name, found in self.current.items() if found is entry and name != entry.card.name)

    def __iter__(self) -> Iterator[Entry]:
        named = (entry for name, entry in self.current.items() if name == entry.card.name)
        return iter(sorted(named, key=_turn))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def served(self) -> list[Entry]:
        """The models that offer at least one task to requests (judges offer none), each as its name stands for it."""
        return [entry for entry in self if entry.card.tasks]

    def askable(self) -> dict[str, Entry]:
        """All models that requests can name, if only by a version: what the name stands for, else the newest draft."""
        found: dict[str, Entry] = {}
        for entry in sorted(self.versions.values(), key=lambda entry: entry.created):
            name = entry.card.name
            named = self.current.get(name, entry)
            if named.card.tasks:
                found[name] = named
        return found

    def _found(self, hashing: bool) -> Catalogue:
        finding, looks = _Finding(), {}
        for root in self.folders:
            plain: list[Entry] = []
            for folder in _subfolders(root):
                look = self._look(folder, hashing and root != SHIPPED)
                if look is None:
                    continue
                looks[folder] = look
                if look.wrong:
                    finding.broken[folder] = look.wrong
                if look.entry:
                    _add_version(finding, look.entry)
                    if "@" not in folder.name:
                        plain.append(look.entry)
            _add_plain(finding, plain, hiding=root == SHIPPED)
        self._looks = looks
        self._name(finding)
        return Catalogue(finding.current, finding.versions, finding.broken)

    def _look(self, folder: Path, hashing: bool) -> _Look | None:
        """What a folder holds: as known, if no file has changed. None of a folder that is not a model's."""
        before = self._looks.get(folder)
        signature = _signature(folder)
        if not any(signature):
            return None
        if before and before.signature == signature:
            return before
        try:
            return _Look(signature, read_entry(folder, hashing))
        except (OSError, ValueError) as error:
            return _Look(signature, before.entry if before else None, reason_of(error))

    def _name(self, finding: _Finding) -> None:
        """What aliases stand for goes before plain folders, an earlier folder's aliases before a later one's."""
        for root in reversed(self.folders):
            path = root / ALIASES_FILE
            try:
                self._aliases[root] = aliases.read(root)
            except BadAliases as error:
                finding.broken[path] = str(error)  # and what it said before still holds
            lost = []
            for name, (reference, *_) in self._aliases.get(root, {}).items():
                if reference in finding.versions:
                    finding.current[name] = finding.versions[reference]
                else:
                    lost.append(f"{name} stands for {reference}, which no folder holds")
            if lost:
                finding.broken[path] = "; ".join(lost)


def read_entry(folder: Path, hashing: bool = True) -> Entry:
    """The version that a folder holds, if it holds a whole one.

    Raises:
        OSError: the card cannot be read.
        pydantic.ValidationError: it says what no card may.
        Incomplete: the weights are not the card's.
    """
    if not (folder / CARD_FILE).exists():
        raise Incomplete(f"there is no {CARD_FILE}, or not yet")
    card, weights = Card.read(folder), folder / WEIGHTS_FILE
    if not weights.is_file():
        raise Incomplete(f"there is no {WEIGHTS_FILE}, or not yet")
    size = weights.stat().st_size
    if size != card.weights.bytes:
        raise Incomplete(f"{WEIGHTS_FILE} has {size:,} of {card.weights.bytes:,} bytes: still being copied, or cut off")
    if hashing:
        with weights.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != card.weights.sha256:
            raise Incomplete(f"{WEIGHTS_FILE} does not have the sha256 that the card states, or not yet")
    return Entry(card, folder, int((folder / CARD_FILE).stat().st_mtime))


def reason_of(error: OSError | ValueError) -> str:
    """What `read_entry` raised, in words."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, item['loc'])) or CARD_FILE}: {item['msg']}" for item in error.errors())
    return str(error)


def _subfolders(root: Path) -> list[Path]:
    try:
        return sorted(path for path in root.iterdir() if not path.name.startswith(".") and path.is_dir())
    except OSError:  # a shared folder that is away is as good as an empty one
        return []


def _signature(folder: Path) -> tuple[int, ...]:
    """Changes when the card or the weights do; all 0 where there is neither."""
    found: list[int] = []
    for name in (CARD_FILE, WEIGHTS_FILE):
        try:
            told = (folder / name).stat()
        except OSError:
            found += (0, 0, 0)
        else:
            found += (told.st_mtime_ns, told.st_size, told.st_ino)
    return tuple(found)


def _add_version(finding: _Finding, entry: Entry) -> None:
    known = finding.versions.setdefault(entry.card.reference, entry)
    if known is not entry and known.folder.parent == entry.folder.parent:
        finding.broken[entry.folder] = f"{known.folder} holds the same version {entry.card.reference}"


def _add_plain(finding: _Finding, plain: list[Entry], hiding: bool) -> None:
    """Names the models of a root's plain folders; of two of one name the one is served whose folder is called so.

    Args:
        hiding: whether models of earlier roots may have these names without being told.
    """
    earlier = dict(finding.current)
    for entry in sorted(plain, key=lambda each: (each.folder.name != each.card.name, each.folder)):
        name = entry.card.name
        served = finding.current.setdefault(name, entry)
        if served is not entry and not (hiding and name in earlier):
            finding.broken[entry.folder] = (
                f"two folders hold a model {name}: {served.folder}, which is served, and {entry.folder}; "
                f"`easel models add` makes versions of them"
            )
