"""Generators of the reference PyTorch code of pix2pix and CycleGAN (`latest_net_G.pth`).

The layouts are those of its `ResnetGenerator` (`model.<place>`, `conv_block` in the residual blocks) and its
`UnetGenerator` (each level the `model` of a Sequential inside the level around it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from importing.errors import NotImportable
from importing.layers import Layers, channels, is_kernel, kernel, without_statistics
from importing.layouts.bicyclegan import sees_style
from importing.layouts.layout import Finding, ImportSettings, Layout, fit
from models.families.imported import ResNet, UNet
from models.nn.norm import Norm
from models.nn.published import cut, pytorch_gan

_USUAL_SIZE = {6: 128, 9: 256}
"""Pixels that a ResNet of so many blocks is usual for (arXiv 1703.10593, section 7.1)."""
_RATE = 0.5
"""The share that its dropout drops."""
_DEEPEST = 10
"""Halvings of the largest U-Net that is taken: 1024 pixels."""
_RESNET_TRUNK = 10
"""Place of the first residual block."""
_OR_DRAWN = "(--dropout drawn: from the seed)"
_PARTS = "{weight,bias,running_mean,running_var,num_batches_tracked}"


def _unet(layers: Layers, settings: ImportSettings) -> Finding:
    """Each level around the next: `1` halves, `2` is its norm, `3` the level inside, `5` doubles, `6` is its norm."""
    places = {"first": "model.model.0", "last.1": "model.model.3"}
    here, ours, depth = "model.model.1.model", "levels", 1
    while True:
        innermost = f"{here}.3.model.1" not in layers
        up = 3 if innermost else 5
        places |= {f"{ours}.down.1": f"{here}.1", f"{ours}.up.1": f"{here}.{up}", f"{ours}.up.2": f"{here}.{up + 1}"}
        depth += 1
        if innermost:
            break
        places[f"{ours}.down.2"] = f"{here}.2"
        here, ours = f"{here}.3.model", f"{ours}.inner"
    if not 4 <= depth <= _DEEPEST:
        raise NotImportable(f"a U-Net of {depth} halvings is not taken, 4 to {_DEEPEST} are")
    first, last = kernel(layers, "model.model.0"), kernel(layers, "model.model.3")
    norm, norm_inferred = norm_of(layers, "model.model.1.model.1", "model.model.1.model.2", settings)
    network = UNet(size=2**depth, width=len(first), norm=norm, takes=channels(first, 1), makes=channels(last, 1))
    batch_norm = {"weight", "running_mean"} <= layers.get("model.model.1.model.2", {}).keys()
    drawn, why = _dropout_of_unet(network, batch_norm, settings)
    network = network.model_copy(update={"dropout": _RATE if drawn else 0})
    inferred = (f"a U-Net of {depth} halvings (unet_{2**depth}), width {len(first)}", norm_inferred, io(network))
    found = finding(network, layers, places, inferred, side=network.size, multiple=network.size)
    return replace(found, assumed=(why,))


def _dropout_of_unet(network: UNet, batch_norm: bool, settings: ImportSettings) -> tuple[bool, str]:
    """Whether dropout is drawn as it serves, and in words why: no name tells whether it was trained with any.

    Raises:
        NotImportable: it is asked for, and cannot be.
    """
    if not network.dropped:
        if settings.dropout == "drawn":
            raise NotImportable(f"a U-Net for {network.size} pixels has no dropout; those for 64 and more have")
        return False, f"no dropout, which a U-Net for {network.size} pixels has not"
    if told := _dropout_by_option(settings):
        return told
    if settings.trained_as == "cyclegan":
        return False, f"no dropout, as is usual for a CycleGAN {_OR_DRAWN}"
    if settings.trained_as is None and not batch_norm:
        return (
            False,
            f"no dropout: a pix2pix, which has it, usually has batch norm, and --family names none {_OR_DRAWN}",
        )
    return True, "dropout drawn from the seed, as in test.py without --eval, on for a pix2pix (--dropout off: none)"


def _dropout_of_resnet(there: bool, settings: ImportSettings) -> tuple[bool, tuple[str, ...]]:
    """Whether dropout is drawn as it serves, and in words why, where the file tells that its blocks have any."""
    if not there:
        return False, ()
    drawn, why = _dropout_by_option(settings) or (
        True,
        "dropout drawn from the seed, as in test.py without --eval for a network that has it (--dropout off: none)",
    )
    if drawn and settings.trained_as == "cyclegan":
        why += "; so it makes no cycle and cannot be trained on"
    return drawn, (why,)


def _dropout_by_option(settings: ImportSettings) -> tuple[bool, str] | None:
    """What options say of a network that has dropout."""
    if settings.dropout == "drawn":
        return True, "dropout drawn from the seed, as --dropout says"
    if settings.dropout == "off":
        return False, "no dropout, as --dropout says"
    if settings.statistics == "stored":
        return False, f"no dropout, as with --eval, since --statistics is stored {_OR_DRAWN}"
    return None


def _resnet(layers: Layers, settings: ImportSettings) -> Finding:
    """Convolutions at `1`, `4` and `7`, blocks from `10` on, then two doublings and a convolution."""
    blocks = blocks_of(layers, "conv_block", _RESNET_TRUNK)
    end = _RESNET_TRUNK + blocks
    outer = [1, 2, 4, 5, 7, 8, end, end + 1, end + 3, end + 4, end + 7]
    places = {f"net.{place}": f"model.{place}" for place in outer}
    inside, padded, dropout = block(layers, f"model.{_RESNET_TRUNK}.conv_block.")
    for place in range(_RESNET_TRUNK, end):
        places |= {f"net.{place}.net.{ours}": f"model.{place}.conv_block.{theirs}" for theirs, ours in inside.items()}
    first, last = kernel(layers, "model.1"), kernel(layers, f"model.{end + 7}")
    norm, norm_inferred = norm_of(layers, "model.1", "model.2", settings)
    padding = settings.padding if padded else "zero"
    drawn, why = _dropout_of_resnet(dropout, settings)
    network = ResNet(
        width=len(first),
        blocks=blocks,
        norm=norm,
        padding=padding,
        takes=channels(first, 1),
        makes=channels(last, 0),
        dropout=_RATE if drawn else 0,
    )
    inferred = (
        f"a ResNet of {blocks} blocks (resnet_{blocks}blocks), width {len(first)}",
        norm_inferred,
        "padded blocks" if padded else "blocks padded with zeros",
        f"trained {'with' if dropout else 'without'} dropout",
        io(network),
    )
    found = finding(network, layers, places, inferred, side=_USUAL_SIZE.get(blocks, 256), multiple=4)
    return replace(found, assumed=why)


def finding(
    network: UNet | ResNet,
    layers: Layers,
    places: Mapping[str, str],
    inferred: tuple[str, ...],
    side: int,
    multiple: int,
) -> Finding:
    """A translator, whose weights fit. Running statistics that instance norm leaves in a file are left out."""
    if network.norm != "batch":
        layers = without_statistics(layers)
    state = fit(network, layers, places, biases=False)
    return Finding("imported-pix2pix", network, state, side, inferred, multiple=multiple)


def blocks_of(layers: Layers, block: str, first: int, root: str = "model") -> int:
    """How many residual blocks, called `block`, there are from the place of the first one on."""
    end = first
    while any(name.startswith(f"{root}.{end}.{block}.") for name in layers):
        end += 1
    return end - first


def block(layers: Layers, prefix: str) -> tuple[dict[int, int], bool, bool]:
    """Where the layers of a residual block stand, theirs to ours, and whether it has layers that pad, and dropout.

    Layers without weights leave gaps: padding before each convolution, dropout before the second.
    """
    kernels = [place for place in range(8) if is_kernel(layers.get(f"{prefix}{place}", {}).get("weight"))]
    known = {(1, 5): (True, False), (1, 6): (True, True), (0, 3): (False, False), (0, 4): (False, True)}
    if tuple(kernels) not in known:
        raise NotImportable(f"the convolutions of its residual blocks stand at {kernels}, as in no layout known here")
    one, two = kernels
    return {one: 1, one + 1: 2, two: 5, two + 1: 6}, *known[one, two]


def norm_of(layers: Layers, convolution: str, norm: str, settings: ImportSettings) -> tuple[Norm, str]:
    """The norm, and in words what it follows from. Instance norm has no weights of its own; the convolution before it
    has a bias then, which it has not before batch norm or without a norm."""
    found = layers.get(norm, {})
    if "weight" in found and "running_mean" in found:
        if settings.statistics == "stored":
            return "batch", "batch norm, by the statistics in the file"
        why = "" if settings.statistics else ", as in test.py without --eval (--statistics stored: those in the file)"
        return "affine-instance", f"batch norm, by each picture's own statistics{why}"
    if "weight" in found:
        return "affine-instance", "instance norm with a learned scale"
    if "running_mean" in found:
        return "instance", "instance norm; its running statistics are left out, since it uses each picture's own"
    return ("instance", "instance norm") if "bias" in layers.get(convolution, {}) else ("none", "no norm")


def io(network: UNet | ResNet | cut.Config | pytorch_gan.UNetConfig) -> str:
    """What goes in and comes out, in words."""
    words = {1: "grey", 3: "coloured"}
    return f"{words[network.takes]} pictures in, {words[network.makes]} ones out"


UNET = Layout(
    "pix2pix-unet",
    "the reference pix2pix and CycleGAN code's U-Net generator",
    names=("model.model.0.weight", "model.model.1.model.1.weight", "model.model.1.model.3.**", "model.model.3.weight"),
    besides=("model.model.{0,3}.bias", "model.model.1.model.**"),
    read=_unet,
    accepts=lambda layers: not sees_style(layers),
)
RESNET = Layout(
    "cyclegan-resnet",
    "the reference pix2pix and CycleGAN code's ResNet generator",
    names=("model.1.weight", "model.4.weight", "model.7.weight", "model.10.conv_block.#.weight", "model.#.weight"),
    besides=(f"model.#.{_PARTS}", f"model.#.conv_block.#.{_PARTS}"),
    read=_resnet,
)
