"""Generators of the official BicycleGAN (`latest_net_G.pth`), and with them its encoder (`latest_net_E.pth`).

The generator sees the style either before each halving, and then its levels have a `down`, a `submodule` and an `up`,
or beside its input: then it is laid out as the reference pix2pix code's U-Net, but takes more channels.
"""

from __future__ import annotations

from importing.errors import NotImportable
from importing.layers import Layers, channels, kernel, matrix
from importing.layouts.layout import BESIDE, FILE, Finding, ImportSettings, Layout, fit
from models.nn.published.bicyclegan import Config

_MOST_HALVINGS = 10
_USUAL_STYLE = 8
_MOST_CHANNELS = 4
"""Of a picture; a U-Net of the reference code that takes more sees a style."""


def sees_style(layers: Layers) -> bool:
    """Whether what is laid out like the reference code's U-Net takes more than a picture."""
    name = "model.model.0"
    weight = layers.get(name, layers.get(f"{FILE}.{name}", {})).get("weight")
    return weight is not None and weight.dim() == 4 and weight.shape[1] > _MOST_CHANNELS


def _read(layers: Layers, settings: ImportSettings) -> Finding:
    encoder = _of(layers, BESIDE)
    generator = _of(layers, FILE) or layers
    everywhere = "model.down.0" in generator
    used = _everywhere(generator) if everywhere else _beside_input(generator)
    halvings = 1 + len([name for name in used if name.endswith(".down.1")])
    if not 4 <= halvings <= _MOST_HALVINGS:
        raise NotImportable(f"a U-Net of {halvings} halvings is not taken, 4 to {_MOST_HALVINGS} are")
    first, bilinear = kernel(used, "generator.down.0"), "generator.up.3" in used
    last = kernel(used, f"generator.up.{3 if bilinear else 1}")
    takes = 1 if first.shape[1] == _USUAL_STYLE + 1 else 3
    network = Config(
        latent=first.shape[1] - takes,
        width=len(first),
        halvings=halvings,
        seen="all" if everywhere else "input",
        norm="batch" if _normed(used) else "instance",
        bilinear=bilinear,
        takes=takes,
        makes=channels(last, 0 if bilinear else 1),
        encoder_width=len(kernel(encoder, "conv.0")) if encoder else 0,
        encoder_blocks=1 + len([name for name in encoder if name.endswith(".shortcut.1")]),
        encoder_norm="batch" if _normed(encoder) else "instance",
    )
    if network.latent < 1:
        raise NotImportable(f"its first layer takes {first.shape[1]} channels, and no style beside a picture")
    if network.takes != network.makes:
        raise NotImportable(
            f"it takes {network.takes} channels and makes {network.makes}; such pictures are not served"
        )
    if encoder and len(matrix(encoder, "fc.0")) != network.latent:
        raise NotImportable(f"the styles of its encoder are not of {network.latent} numbers")
    used |= {f"encoder.{name}": layer for name, layer in encoder.items()}
    where = "before each halving" if everywhere else "beside its input"
    return Finding(
        "published-styled-translator",
        network,
        fit(network, used),
        side=2**halvings,
        inferred=(
            f"a U-Net of {halvings} halvings, width {network.width}, {network.norm} norm",
            f"a style of {network.latent} numbers, which it sees {where}",
            "with an encoder" if encoder else "without an encoder (--with latest_net_E.pth), so that styles are drawn",
        ),
        assumed=("rectifiers, as is usual for it",),
        directed=True,
        multiple=2**halvings,
    )


def _of(layers: Layers, part: str) -> Layers:
    return {name.removeprefix(f"{part}."): layer for name, layer in layers.items() if name.startswith(f"{part}.")}


def _normed(layers: Layers) -> bool:
    """Whether there are norms with weights."""
    return any("running_mean" in layer for layer in layers.values())


def _everywhere(layers: Layers) -> Layers:
    return {f"generator{name.removeprefix('model')}": layer for name, layer in layers.items()}


def _beside_input(layers: Layers) -> Layers:
    """By the names of levels. The first places of a level halve, the next is the level inside, the others double."""
    found: Layers = {}
    here, ours, outermost = "model.model", "generator", True
    while True:
        places = {
            int(name.removeprefix(f"{here}.")): layer
            for name, layer in layers.items()
            if name.startswith(f"{here}.") and name.removeprefix(f"{here}.").isdigit()
        }
        inside = 1 if outermost else 3
        innermost = not any(name.startswith(f"{here}.{inside}.model.") for name in layers)
        halving = inside if not innermost else 2
        for place, layer in places.items():
            half = f"down.{place}" if place < halving else f"up.{place - halving - (not innermost)}"
            found[f"{ours}.{half}"] = layer
        if innermost:
            return found
        here, ours, outermost = f"{here}.{inside}.model", f"{ours}.submodule", False


_PARTS = "{weight,bias,running_mean,running_var,num_batches_tracked}"
_ENCODER = (
    "conv.0.weight", "conv.#.conv.2.weight", "conv.#.conv.5.0.weight", "conv.#.shortcut.1.weight", "fc.0.weight",
    "fcVar.0.weight",
)  # fmt: skip
_ENCODER_BESIDES = (
    "{conv.0,fc.0,fcVar.0}.bias", "conv.#.shortcut.1.bias", f"conv.#.conv.#.{_PARTS}", "conv.#.conv.5.0.bias"
)  # fmt: skip
_GENERATORS = {
    "bicyclegan": (
        ("model.down.0.weight", "model.submodule.down.1.weight", "model.submodule.up.#.weight", "model.up.#.weight"),
        (f"model.{{down,up}}.#.{_PARTS}", f"model.submodule.**.#.{_PARTS}", f"model.submodule.{{down,up}}.#.{_PARTS}"),
    ),
    "bicyclegan-input": (
        ("model.model.0.weight", "model.model.1.model.1.weight", "model.model.1.model.3.**", "model.model.#.bias"),
        (f"model.model.#.{_PARTS}", "model.model.1.model.**"),
    ),
}
_TOLD = {
    "bicyclegan": "the official BicycleGAN's generator, which sees a style before each halving",
    "bicyclegan-input": "the official BicycleGAN's generator, which sees a style beside its input",
}


def _layouts() -> tuple[Layout, ...]:
    """Each generator alone, and with an encoder."""
    found = []
    for name, (names, besides) in _GENERATORS.items():
        accepts = sees_style if name == "bicyclegan-input" else None
        found.append(Layout(name, _TOLD[name], names, _read, besides, accepts))
        both = (*(f"{FILE}.{each}" for each in names), *(f"{BESIDE}.{each}" for each in _ENCODER))
        beside = (*(f"{FILE}.{each}" for each in besides), *(f"{BESIDE}.{each}" for each in _ENCODER_BESIDES))
        found.append(Layout(f"{name}-encoder", f"{_TOLD[name]}, and --with its encoder", both, _read, beside, accepts))
    return tuple(found)


LAYOUTS = _layouts()
