"""What the pictures of an archive show, in words: captions to train on, and wordings that are held out."""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import torch

from models.text import words
from training.datasets.listing import TEST, TRAIN, Splits
from training.datasets.tree import Tree

HELD_OUT = 4
"""One in so many of the other names of a subject is never trained on."""

Wordings = dict[str, tuple[str, ...]]
"""Captions of each subject. A subject is the stem of its pictures' file names: the code points of an emoji."""


@dataclass(frozen=True)
class Captions:
    """All that is said of the subjects of the `train` split, in two parts, and of those of the `test` split."""

    trained: Wordings
    held: Wordings
    """Other wordings of subjects that are trained on; none has the words of a caption that is trained on."""
    unseen: Wordings

    def of(self, subject: str) -> tuple[str, ...]:
        """The captions that go with a picture of `subject`."""
        return self.trained.get(subject) or self.unseen[subject]

    def draw(self, subjects: Sequence[str], generator: torch.Generator) -> list[str]:
        """One caption, any, of each subject."""
        shares = torch.rand(len(subjects), generator=generator).tolist()
        choices = [self.of(subject) for subject in subjects]
        return [captions[int(share * len(captions))] for captions, share in zip(choices, shares, strict=True)]


def listed(splits: Splits) -> Captions:
    """The texts beside pictures of one's own; a subject is the file of its picture.

    Raises:
        ValueError: nothing is said of the pictures.
    """
    told = {
        split: {
            piece.file: texts for piece, texts in zip(listing.fields["images"], listing.texts, strict=False) if texts
        }
        for split, listing in splits.items()
    }
    if not told[TRAIN]:
        raise ValueError("no texts are with the pictures: put them in metadata.jsonl, or cat.txt beside cat.jpg")
    return Captions(told[TRAIN], {}, told[TEST])


def read(opened: Tree) -> Captions:
    """The captions of an archive of emoji: their Unicode names in `<split>/metadata.jsonl`, and the other names that
    people have for them, of CLDR and of chat programs, from the package `emoji`.

    Raises:
        FileNotFoundError: the package is not installed.
    """
    other = _other_names()
    names = {split: _names(opened, split) for split in ("train", "test")}
    trained: dict[str, list[str]] = defaultdict(list)
    candidates = []
    for subject, name in names["train"].items():
        trained[subject].append(name)
        for caption in sorted(other.get(subject.replace("-fe0f", ""), set()) - {name}):
            if zlib.crc32(caption.encode()) % HELD_OUT:
                trained[subject].append(caption)
            else:
                candidates.append((subject, caption))
    known = {_bag(caption) for captions in trained.values() for caption in captions}
    held: dict[str, list[str]] = defaultdict(list)
    for subject, caption in candidates:
        if _bag(caption) not in known:
            held[subject].append(caption)
    return Captions(_frozen(trained), _frozen(held), {subject: (name,) for subject, name in names["test"].items()})


def _names(opened: Tree, split: str) -> dict[str, str]:
    lines = opened.read(f"{split}/metadata.jsonl").decode().splitlines()
    return {PurePosixPath(row["file_name"]).stem: row["text"] for row in map(json.loads, lines)}


def _other_names() -> dict[str, set[str]]:
    """By code points, without variation selectors."""
    try:
        from emoji import EMOJI_DATA
    except ModuleNotFoundError:
        raise FileNotFoundError("captions of emoji need the package `emoji`: pip install emoji==2.16.0") from None
    found = {}
    for letters, names in EMOJI_DATA.items():
        subject = "-".join(f"{ord(letter):04x}" for letter in letters if letter != "\ufe0f")
        found[subject] = {name.strip(":").replace("_", " ").lower() for name in (names["en"], *names.get("alias", ()))}
    return found


def _bag(caption: str) -> frozenset[str]:
    return frozenset(words(caption))


def _frozen(wordings: dict[str, list[str]]) -> Wordings:
    return {subject: tuple(captions) for subject, captions in wordings.items()}
