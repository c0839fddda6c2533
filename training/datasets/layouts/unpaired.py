"""Two domains without pairs, as CycleGAN has them: `trainA/`, `trainB/`, and `testA/`, `testB/` if there are any."""

from training.datasets.listing import SPLITS, TRAIN, Listing, Splits, pieces
from training.datasets.tree import Tree


def find(tree: Tree) -> Splits | None:
    """Both folders of a split must be there; an empty one is told by whoever looks at the listing."""
    there = {name.lower(): name for name in tree.folders()}
    found: Splits = {}
    for split, names in SPLITS.items():
        for name in names:
            sides = [there.get(f"{name}{side}") for side in "ab"]
            if any(sides):
                a, b = (pieces(tree.under(side)) if side else () for side in sides)
                found[split] = Listing({"a": a, "b": b})
    return found if TRAIN in found else None
