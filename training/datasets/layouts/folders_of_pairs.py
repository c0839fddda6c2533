"""Pairs in two folders, `A/` and `B/`, of equal names; without equal names, two domains without pairs.

`A/x.png` and `B/x.png`; or with splits, `A/train/x.png` (pix2pix before it is combined) or `train/A/x.png`.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from training.datasets.listing import ALL, SPLITS, TRAIN, Listing, Splits, pieces, split_folders
from training.datasets.tree import Tree


def find(tree: Tree) -> Splits | None:
    """The pairs; what is in one folder alone is left out and told."""
    found: Splits = {}
    for split, (a, b) in _sides(tree).items():
        found[split] = _listed(tree, a, b)
    return found or None


def _sides(tree: Tree) -> dict[str, tuple[str, str]]:
    """The folders A and B of each split."""
    top = {name.lower(): name for name in tree.folders()}
    if set(top) == {"a", "b"}:
        below = {name.lower() for name in tree.folders(top["a"])}
        splits = {split: name for split, names in SPLITS.items() for name in names if name in below}
        if TRAIN not in splits:
            return {ALL: (top["a"], top["b"])}
        return {split: (f"{top['a']}/{name}", f"{top['b']}/{name}") for split, name in splits.items()}
    found: dict[str, tuple[str, str]] = {}
    for split, folder in split_folders(tree).items():
        inside = {name.lower(): name for name in tree.folders(folder)}
        if not folder or set(inside) != {"a", "b"}:
            return {}
        found[split] = (f"{folder}/{inside['a']}", f"{folder}/{inside['b']}")
    return found


def _listed(tree: Tree, a: str, b: str) -> Listing:
    sides = [{_key(name, folder): name for name in tree.under(folder)} for folder in (a, b)]
    both = sorted(sides[0].keys() & sides[1].keys())
    if 2 * len(both) < min(map(len, sides)):
        return Listing({"a": pieces(sides[0].values()), "b": pieces(sides[1].values())})
    alone = sum(map(len, sides)) - 2 * len(both)
    remarks = (f"{alone} pictures of {a} and {b} have no partner of the same name and are left out",) if alone else ()
    fields = {name: pieces(side[key] for key in both) for name, side in zip("ab", sides, strict=True)}
    return Listing(fields, paired=True, remarks=remarks)


def _key(name: str, folder: str) -> str:
    """What pairs have in common: the name below A or B, without its ending."""
    return str(PurePosixPath(name).relative_to(folder).with_suffix(""))
