"""What is trained on and what is held out, of pictures that somebody else divided or nobody."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from training.datasets.listing import ALL, TEST, TRAIN, VALIDATION, Listing, Splits
from training.datasets.tree import Tree

ONE_IN = 10
"""As many pictures are held out where nobody divided them."""
MOST = 1000
"""Pictures of a field that are held out at most."""


def divided(tree: Tree, splits: Splits) -> Splits:
    """`train` and `test`: as the folders say, else by the hash of each picture's file.

    By its hash, a file stays where it is when others come and go, and its copies are on the same side as it. Where
    there are too few to divide, `test` is what is trained on.
    """
    given = next((splits[name] for name in (TEST, VALIDATION) if name in splits and _filled(splits[name])), None)
    if given is not None:
        return {TRAIN: splits[TRAIN], TEST: _in_terms_of(splits[TRAIN], given)}
    whole = splits.get(ALL) or splits[TRAIN]
    found = {TRAIN: whole, TEST: whole}
    for name in _drawn(whole):
        digests = [tree.digest(piece.file) for piece in whole.fields[name]]
        held_out = _held_out(digests)
        rows = {TRAIN: [row for row, digest in enumerate(digests) if digest not in held_out]}
        rows[TEST] = [row for row, digest in enumerate(digests) if digest in held_out] or rows[TRAIN]
        found = {split: listing.rows(name, rows[split]) for split, listing in found.items()}
    return found


def _filled(listing: Listing) -> bool:
    return all(listing.fields.values())


def _drawn(listing: Listing) -> Iterable[str]:
    """The fields that are drawn from apart; of pairs one stands for both."""
    return list(listing.fields)[:1] if listing.paired else list(listing.fields)


def _held_out(digests: list[str]) -> set[str]:
    """The digests that are held out: about one in ten, one at least of two pictures, and no more than `MOST`."""
    different = sorted(set(digests))
    if len(different) < 2:
        return set()
    one_in = max(ONE_IN, -(-len(different) // MOST))
    return {digest for digest in different if int(digest[-8:], 16) % one_in == 0} or {different[0]}


def _in_terms_of(trained: Listing, held_out: Listing) -> Listing:
    """The held-out pictures with the classes of those that are trained on; what is of no such class is left out."""
    if not held_out.labels or held_out.classes == trained.classes:
        return held_out
    place = {name: index for index, name in enumerate(trained.classes)}
    known = held_out.rows(
        "images", [row for row, label in enumerate(held_out.labels) if held_out.classes[label] in place]
    )
    labels = tuple(place[held_out.classes[label]] for label in known.labels)
    return replace(known, labels=labels, classes=trained.classes)
