"""A folder for each class: `<class>/…`, or `train/<class>/…` and `test/<class>/…`."""

from training.datasets.listing import ALL, Listing, Splits, by_split, pieces
from training.datasets.tree import Tree


def find(tree: Tree) -> Splits | None:
    """Every picture is in a folder, whose name is its class. Classes are in the order of their names.

    One folder is no class, unless the folders of splits say that it is one.
    """
    found = by_split(tree, listed)
    if found and ALL in found and len(found[ALL].classes) < 2:
        return None
    return found


def listed(tree: Tree, folder: str) -> Listing | None:
    """A folder's pictures by the folders that they are in; None if one is in none."""
    files = tree.under(folder)
    start = f"{folder}/" if folder else ""
    parts = [name.removeprefix(start).split("/") for name in files]
    if not files or any(len(each) < 2 for each in parts):
        return None
    classes = tuple(sorted({each[0] for each in parts}))
    place = {name: index for index, name in enumerate(classes)}
    return Listing({"images": pieces(files)}, labels=tuple(place[each[0]] for each in parts), classes=classes)
