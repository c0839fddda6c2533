"""A text file beside each picture: `cat.jpg` and `cat.txt`, whose lines are wordings of what it shows."""

from pathlib import PurePosixPath

from training.datasets.listing import Listing, Splits, by_split, pieces
from training.datasets.tree import Tree


def find(tree: Tree) -> Splits | None:
    """At least half of the pictures have a text; the others are left out and told."""
    return by_split(tree, _listed)


def _listed(tree: Tree, folder: str) -> Listing | None:
    files = tree.under(folder)
    beside = {name: text for name in files if tree.has(text := str(PurePosixPath(name).with_suffix(".txt")))}
    texts = {name: lines for name, text in beside.items() if (lines := _lines(tree, text))}
    if not texts or 2 * len(texts) < len(files):
        return None
    alone = len(files) - len(texts)
    remarks = (f"{alone} pictures have no text beside them and are left out",) if alone else ()
    return Listing({"images": pieces(texts)}, texts=tuple(texts.values()), remarks=remarks)


def _lines(tree: Tree, name: str) -> tuple[str, ...]:
    lines = tree.read(name).decode("utf-8", errors="replace").splitlines()
    return tuple(line.strip() for line in lines if line.strip())
