"""A recipe for pictures of one's own: what is known to work of the family, fitted to the pictures and the machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.capabilities import Classifier, StyledTranslator, TargetTranslator, TextSampler, Translator
from models.card import Card, DomainLetter
from models.model import family_class
from pictures import codec
from training import recipe
from training.data import chosen, listed
from training.datasets.listing import TRAIN, Listing, Splits
from training.datasets.pixels import MAX_PIXELS, channels
from training.datasets.spec import DataSpec
from training.datasets.tree import Tree
from training.recipe import Recipe

PAIRED = frozenset({"pix2pix", "unet-l1", "bicyclegan"})
"""Families that learn from pairs."""
CLASSED = frozenset({"cgan", "acgan"})
"""Families that make nothing without classes."""
SMALL = 10_000
"""Sets of fewer pictures are augmented for discriminators."""
_SIDES = (256, 128, 64, 32, 16)
_SPARE = 1.12
"""Side of what is cropped from, as a multiple of the crop's (286 / 256 in arXiv 1703.10593, section 7.1)."""
_MEASURED = 200
"""Pictures whose size is looked at."""


@dataclass(frozen=True)
class Wish:
    """What somebody asks for; what they leave open is found out."""

    path: Path
    family: str = ""
    name: str = ""
    layout: str = ""
    licence: str = ""
    size: int | None = None
    begin: Card | None = None
    """The model to begin with, which then decides family and config."""


def recipe_for(wish: Wish, gpu: bool) -> Recipe:
    """A recipe for a wish; its steps are those of the family's shipped recipe.

    Raises:
        FileNotFoundError: no such folder or zip.
        KeyError: no such family.
        ValueError: the pictures are not what the family learns from, or it is not known how to train it on others.
    """
    path = wish.path.expanduser().resolve()
    own: dict[str, Any] = {"path": path, "layout": wish.layout, "licence": wish.licence or "not stated"}
    tree, splits = listed(DataSpec(**own, size=1))
    family = wish.begin.family if wish.begin else wish.family
    template = _template(family, channels(tree, splits[TRAIN]), wish.begin)
    told, domains = _told(family, template, splits)
    trained = chosen(splits[TRAIN], DataSpec(**own, **told, size=1))
    side = wish.size or _side(tree, trained, template, gpu)
    translates = "a" in trained.fields
    shape: dict[str, Any] = {"size": side, "flip": channels(tree, trained) == 3}
    if translates and not wish.begin:
        shape["resize"] = round(side * _SPARE)
    if template.data.scales:
        shape |= {"scales": template.data.scales, "size": template.data.size, "flip": False}
    config = dict(wish.begin.config) if wish.begin else _config(template, trained, channels(tree, trained), side, gpu)
    known = wish.begin.classes if wish.begin else ()
    if wish.begin and known and known != trained.classes:
        raise ValueError(f"{wish.begin.name} knows the classes {', '.join(known)}, not {', '.join(trained.classes)}")
    return Recipe(
        name=wish.name or name_of(path, family),
        summary=f"{family} trained on {path.name}",
        licence=wish.licence or "not stated",
        family=family,
        init_from=wish.begin.name if wish.begin else None,
        config=config,
        domains=domains,
        data=DataSpec(**own, **told, **shape),
        optimiser=template.optimiser,
        budget=template.budget.model_copy(update={"precision": "auto"}),
        serving=template.serving,
    )


def for_steps(wanted: Recipe, steps: int) -> Recipe:
    """The recipe with another budget, and sheets and averages that suit it: the average forgets a tenth of the run."""
    sheet = min(max(steps // 20, 50), 1000)
    budget = wanted.budget.model_copy(update={"steps": steps, "sheet_every": min(sheet, steps)})
    ema = round(min(0.999, max(0.9, 1 - 20 / steps)), 5)
    return wanted.model_copy(update={"budget": budget, "ema": ema})


def _template(family: str, wanted: int, begin: Card | None) -> Recipe:
    """A shipped recipe of the family, of pictures with as many channels if there is one, the larger ones first."""
    family_class(family)
    if family == "imported-cyclegan":
        family = "cyclegan"
    known = [found for name in recipe.names() if (found := recipe.load(name)[0]).family == family]
    plain = [found for found in known if found.data.set not in ("style", "medley")]
    if not plain:
        trainable = sorted({recipe.load(name)[0].family for name in recipe.names()})
        raise ValueError(f"{family} is not trained on pictures of one's own; these are: {', '.join(trainable)}")
    return max(plain, key=lambda found: (found.config.get("channels", 3) == wanted, found.data.size))


def _told(family: str, template: Recipe, splits: Splits) -> tuple[dict[str, Any], dict[DomainLetter, str]]:
    """What the spec says of the pictures besides, for this family, and what A and B are called.

    Raises:
        ValueError: it does not learn from such pictures.
    """
    cls, _ = family_class(family)
    trained = splits[TRAIN]
    if template.data.edges:
        return {"edges": True}, {}
    if issubclass(cls, Translator | StyledTranslator):
        domains: dict[DomainLetter, str] = {"A": "A", "B": "B"}
        if family in PAIRED and not trained.paired:
            raise ValueError(
                f"{family} learns from pairs: pictures side by side in one file, or A/ and B/ with files of equal names"
            )
        if "a" in trained.fields:
            return {}, domains
        if len(trained.classes) == 2:
            a, b = trained.classes
            return {"domains": (a, b)}, {"A": a, "B": b}
        raise ValueError(f"{family} learns from two domains: trainA/ and trainB/, or a folder for each of two classes")
    if "images" not in trained.fields:
        raise ValueError(f"{family} learns from pictures, and these are pairs or domains; name the folder of one side")
    if issubclass(cls, TextSampler):
        if not any(trained.texts):
            raise ValueError(f"{family} learns from pictures with texts: metadata.jsonl, or cat.txt beside cat.jpg")
        return {"captions": True}, {}
    if family in CLASSED or issubclass(cls, TargetTranslator | Classifier):
        if len(trained.classes) < 2:
            raise ValueError(
                f"{family} learns to tell classes apart, and there are {len(trained.classes)}: a folder for each"
            )
        return {}, {}
    return ({"masks": template.data.masks} if template.data.masks else {}), {}


def _config(template: Recipe, trained: Listing, wanted: int, side: int, gpu: bool) -> dict[str, Any]:
    """The template's settings with the sizes of these pictures, and twice as wide on a GPU."""
    cls, preset = family_class(template.family)
    fields, config = cls.Config.model_fields, dict(template.config)
    if "channels" in fields:
        config["channels"] = wanted
    if "size" in fields:
        config["size"] = side
    if "sides" in fields:
        config["sides"] = [side // 4, side // 2, side]
    classed = config.get("classes") or preset.get("classes") or issubclass(cls, Classifier | TargetTranslator)
    if "classes" in fields and classed:
        config["classes"] = len(trained.classes) if len(trained.classes) > 1 else 0
    if "augment" in fields and trained.count < SMALL:
        config["augment"] = True
    for width in ("width", "discriminator_width"):
        if gpu and config.get(width):
            config[width] *= 2
    return config


def _side(tree: Tree, trained: Listing, template: Recipe, gpu: bool) -> int:
    """The template's, twice that on a GPU; no more than half of the pictures have, and a power of two."""
    files = [piece for pieces in trained.fields.values() for piece in pieces]
    sides = []
    for piece in files[:: max(1, len(files) // _MEASURED)]:
        try:
            header = codec.header(tree.read(piece.file), MAX_PIXELS)
        except codec.BadPicture:
            continue
        sides.append(min(header.width // (2 if piece.half else 1), header.height))
    if not sides:
        raise ValueError(f"{tree.path} has no picture that can be read")
    most = min(sorted(sides)[len(sides) // 2], template.data.size * (2 if gpu else 1))
    return next((side for side in _SIDES if side <= most), _SIDES[-1])


def name_of(path: Path, family: str) -> str:
    """As models are called: the folder's name and the family's."""
    return re.sub("[^a-z0-9]+", "-", f"{path.resolve().stem}-{family}".lower()).strip("-")[:80]
