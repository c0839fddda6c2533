"""One folder of pictures, in whatever folders below it."""

from training.datasets.listing import Listing, Splits, by_split, pieces
from training.datasets.tree import Tree


def find(tree: Tree) -> Splits | None:
    """All pictures, whatever the folders are called."""
    return by_split(tree, _listed)


def _listed(tree: Tree, folder: str) -> Listing | None:
    files = tree.under(folder)
    return Listing({"images": pieces(files)}) if files else None
