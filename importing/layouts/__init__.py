"""The layouts that are known, one file for each code that lays networks out so, and how a file's is found.

To add one: a file with a `Layout`, and its name in `LAYOUTS` (docs/importing.md, "Adding a layout").
"""

from __future__ import annotations

from collections.abc import Sequence

from importing.errors import NotImportable
from importing.layers import layers_of
from importing.layouts import (
    adain,
    basicsr,
    bicyclegan,
    cut,
    dcgan_example,
    fast_neural_style,
    munit,
    pytorch_gan,
    reference,
    stargan,
    vae,
)
from importing.layouts.layout import Comparison, Finding, ImportSettings, Layout
from importing.states import Candidate, check_finite

LAYOUTS: tuple[Layout, ...] = (
    reference.UNET,
    reference.RESNET,
    cut.LAYOUT,
    pytorch_gan.RESNET,
    pytorch_gan.UNET,
    pytorch_gan.PERCEPTRON,
    pytorch_gan.GROWING,
    dcgan_example.LAYOUT,
    vae.EXAMPLE,
    vae.VANILLA,
    fast_neural_style.LAYOUT,
    stargan.LAYOUT,
    munit.MUNIT,
    munit.UNIT,
    *bicyclegan.LAYOUTS,
    adain.LAYOUT,
    basicsr.EDSR,
    basicsr.SRRESNET,
    basicsr.RRDBNET,
    basicsr.ESRGAN,
    basicsr.COMPACT,
    basicsr.SRCNN,
)
"""In the order in which they are tried; the names of no two are the same."""

_NEAR = 0.2
"""Least nearness of a layout that is named as the nearest."""


def recognise(candidates: Sequence[Candidate], settings: ImportSettings) -> Finding:
    """The network that one of some candidates is, the first that fits a layout.

    Raises:
        NotImportable: none fits any, or what fits is not quite what it has to be.
    """
    layouts = _asked(settings.layout)
    nearest: Comparison | None = None
    for candidate in candidates:
        layers = layers_of(candidate.state)
        for layout in layouts:
            found = layout.compare(layers)
            if found.fits:
                check_finite(candidate.state)
                return _read(layout, candidate, settings)
            if nearest is None or found.nearness > nearest.nearness:
                nearest = found
    raise NotImportable(_nothing_fits(candidates[0], nearest, layouts))


def _read(layout: Layout, candidate: Candidate, settings: ImportSettings) -> Finding:
    try:
        found = layout.read(layers_of(candidate.state), settings)
    except NotImportable as error:
        raise NotImportable(f"it is laid out like {layout.told}, but {error}") from None
    told = (*candidate.told, f"{layout.told} (--layout {layout.name})", *found.inferred)
    return Finding(**{**vars(found), "inferred": told})


def _asked(name: str) -> Sequence[Layout]:
    chosen = [layout for layout in LAYOUTS if layout.name == name]
    if name and not chosen:
        raise NotImportable(f"there is no layout {name!r}; known are {_list(LAYOUTS)}")
    return chosen or LAYOUTS


def _nothing_fits(first: Candidate, nearest: Comparison | None, layouts: Sequence[Layout]) -> str:
    begins = f"it begins with {', '.join(list(first.state)[:3])}"
    if len(layouts) == 1 and nearest:
        return f"it is not laid out like {nearest.layout.told}: {nearest.told}; {begins}"
    if "model.0.weight" in first.state and first.state["model.0.weight"].dim() == 4:
        begins += "; perhaps it is a discriminator (net_D), and the generator is in a file named net_G"
    near = ""
    if nearest and nearest.nearness > _NEAR:
        near = f"; it is nearest to {nearest.layout.name}, {nearest.layout.told}: {nearest.told}"
    return f"it is laid out like nothing that is known here ({_list(LAYOUTS)}){near}; {begins}"


def _list(layouts: Sequence[Layout]) -> str:
    return ", ".join(layout.name for layout in layouts)
