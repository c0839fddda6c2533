"""Changes to folders of models: a version comes, goes, or is what a name stands for. Imports no torch.

What is written becomes visible by one rename, so that nobody who looks meanwhile finds half of it.
"""

from __future__ import annotations

import errno
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from models import aliases
from models.card import Card
from models.registry import SHIPPED, Entry, Registry, read_entry, reason_of

_SHORT = 12
"""Digits of a sha256 in the name of a version's folder."""
_INCOMING, _REMOVED = ".incoming-", ".removed-"
"""What the names of folders begin with that are being written, and removed."""
_ABANDONED_S = 86_400
"""How old such a folder is when nobody is at it any more."""


class NotPossible(ValueError):
    """A change that cannot be made: the message says why, and what would work."""


class NoSuchModel(NotPossible):
    """A model or version that there is not."""


class Library:
    """The folders of a registry that may be changed: all but the shipped models."""

    def __init__(self, registry: Registry):
        self.registry = registry
        self.roots = [root for root in registry.folders if root != SHIPPED]

    @property
    def root(self) -> Path:
        """Where new versions go: the first folder. Raises `NotPossible` if there is none."""
        if not self.roots:
            raise NotPossible("there is no folder for models; name one in EASEL_MODELS")
        return self.roots[0]

    def receive(self) -> tempfile.TemporaryDirectory[str]:
        """A folder to write a version into, which nobody takes up before it is added.

        Raises:
            NotPossible: there is no folder for models.
            OSError: it cannot be written.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        self._sweep()
        return tempfile.TemporaryDirectory(prefix=_INCOMING, dir=self.root)

    def add(self, folder: Path, publish: bool = True) -> Entry:
        """Takes a version into the first folder, and has its model's name stand for it if it is to be published.

        A version that is there already is not written again.

        Raises:
            NotPossible: the folder holds no whole version.
            OSError: the folder of models cannot be written.
        """
        try:
            card = read_entry(folder).card
        except (OSError, ValueError) as error:
            raise NotPossible(f"{folder} cannot be added: {reason_of(error)}") from error
        if card.reference not in self.registry.versions:
            with self.receive() as incoming:
                copy = Path(incoming) / card.name
                shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".*"))
                self.admit(copy, card)
        return self.publish(card.reference) if publish else self._version(card.reference)

    def admit(self, folder: Path, card: Card) -> Entry:
        """Moves the folder of a whole version, which was written below `receive`, into place, as a draft.

        Raises:
            NotPossible: another version has its place.
            OSError: it cannot be moved.
        """
        try:
            folder.rename(self.root / f"{card.name}@{card.weights.sha256[:_SHORT]}")
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise  # else somebody else has added it meanwhile, or nobody can
        self.registry.refresh()
        return self._version(card.reference)

    def describe(self, model: str, **told: str) -> Entry:
        """Has the card of a version say something else for people: its summary, licence, limits.

        Raises:
            NotPossible: there is no such version, or it is a shipped one.
            OSError: the card cannot be written.
        """
        entry = self._version(model)
        if entry.folder.parent == SHIPPED:
            raise NotPossible(f"{model} comes with Easel and stays as it is")
        entry.card.model_copy(update=told).write(entry.folder)
        self.registry.refresh()
        return self._version(entry.card.reference)

    def point(self, name: str, model: str) -> Entry:
        """Has a name stand for what `model` stands for now: a reference, a model's name, or another alias.

        Raises:
            NotPossible: there is no such version, or the name is another model's.
        """
        entry = self._version(model)
        owner = next((each for each in self.registry.versions.values() if each.card.name == name), None)
        if owner and owner.card.name != entry.card.name:
            raise NotPossible(f"{name} is the name of a model, and cannot stand for {entry.card.name}")
        with aliases.changing(self._root_of(name, entry)) as names:
            known = self.registry.current.get(name)
            if name not in names and known:
                names[name] = [known.card.reference]
            aliases.point(names, name, entry.card.reference)
        self.registry.refresh()
        return entry

    def publish(self, model: str) -> Entry:
        """Has a version be what its model's name stands for. Raises `NotPossible` if there is no such version."""
        return self.point(self._version(model).card.name, model)

    def back(self, name: str) -> Entry:
        """Has a name stand for what it stood for before, as long as that is there.

        Raises:
            NotPossible: it never stood for anything else that is still there.
        """
        with aliases.changing(self._root_of(name)) as names:
            current, *former = names.get(name, [""])
            left = [reference for reference in former if reference in self.registry.versions]
            if not left:
                raise NotPossible(f"{name} never stood for another version that is still there")
            names[name] = [*left, current]
        self.registry.refresh()
        return self.registry.versions[left[0]]

    def forget(self, name: str) -> None:
        """Takes a name away: an alias, or that of a model whose versions then are drafts.

        Raises:
            NotPossible: no alias says what the name stands for.
        """
        with aliases.changing(self._root_of(name)) as names:
            if names.pop(name, None) is None:
                raise NotPossible(f"no alias {name} was set; a plain folder goes with `easel models remove {name}`")
        self.registry.refresh()

    def remove(self, model: str) -> list[Entry]:
        """Deletes a version that no name stands for; or, of a model's name, all of its versions and names.

        Returns:
            The versions that are gone.

        Raises:
            NotPossible: there is none, a name stands for it, or it is a shipped one.
        """
        whole = "@" not in model
        going = self.registry.versions_of(model) if whole else [self._version(model)]
        own = [entry for entry in going if entry.folder.parent != SHIPPED]
        if not own:
            if going:
                raise NotPossible(f"{model} comes with Easel and stays")
            raise NoSuchModel(f"there is no model {model}")
        references = {entry.card.reference for entry in own}
        named = sorted(name for name, entry in self.registry.current.items() if entry.card.reference in references)
        if named and not whole:
            raise NotPossible(
                f"{' and '.join(named)} stands for {own[0].card.reference}; first have it stand for another "
                f"(`easel models rollback {named[0]}`, `easel models alias {named[0]} VERSION`)"
            )
        for root in self.roots if whole else ():
            with aliases.changing(root) as names:
                for name in [name for name, (reference, *_) in names.items() if reference in references]:
                    del names[name]
        for entry in own:
            with tempfile.TemporaryDirectory(prefix=_REMOVED, dir=entry.folder.parent) as gone:
                entry.folder.rename(Path(gone) / entry.folder.name)
        self.registry.refresh()
        return own

    def _version(self, model: str) -> Entry:
        try:
            return self.registry[model]
        except KeyError:
            known = ", ".join(entry.card.reference for entry in self.registry.versions_of(model.partition("@")[0]))
            raise NoSuchModel(f"there is no model {model}" + (f"; there are {known}" if known else "")) from None

    def _sweep(self) -> None:
        """Removes what processes that were killed had begun to write or to remove."""
        for begun in (*self.root.glob(f"{_INCOMING}*"), *self.root.glob(f"{_REMOVED}*")):
            with suppress(OSError):
                if time.time() - begun.stat().st_mtime > _ABANDONED_S:
                    shutil.rmtree(begun, ignore_errors=True)

    def _root_of(self, name: str, entry: Entry | None = None) -> Path:
        """The folder whose aliases say, or are to say, what a name stands for."""
        for root in self.roots:
            if name in aliases.read(root):
                return root
        return entry.folder.parent if entry and entry.folder.parent in self.roots else self.root
