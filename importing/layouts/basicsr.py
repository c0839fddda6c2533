"""Networks of BasicSR that enlarge pictures, ESRGAN under the names of its own code, and SRCNN."""

from __future__ import annotations

import re

from importing.errors import NotImportable
from importing.layers import Layers, kernel
from importing.layouts.layout import Buildable, Finding, ImportSettings, Layout, fit
from models.nn.published.basicsr import CompactConfig, EDSRConfig, RRDBConfig, SRCNNConfig, SRResNetConfig

_LARGE = 256
"""Width of the EDSR whose paper scales the residuals of blocks by 0.1 (arXiv 1707.02921, section 3.3)."""


def _edsr(layers: Layers, settings: ImportSettings) -> Finding:
    width = len(kernel(layers, "conv_first"))
    factors = [len(kernel(layers, name)) // width for name in layers if name.startswith("upsample.")]
    scale = 3 if factors == [9] else 2 ** len(factors)
    residual = 0.1 if width >= _LARGE else 1.0
    network = EDSRConfig(width=width, blocks=_count(layers, "body"), scale=scale, residual=residual)
    assumed = (
        f"residuals of blocks times {residual:g}, as is usual for this width",
        "the mean colour of DIV2K, and values of 0 to 255 inside",
    )
    return _finding(network, layers, scale, f"{network.blocks} blocks, width {width}", assumed)


def _srresnet(layers: Layers, settings: ImportSettings) -> Finding:
    width = len(kernel(layers, "conv_first"))
    factor = len(kernel(layers, "upconv1")) // width
    scale = 4 if "upconv2" in layers else {4: 2, 9: 3}.get(factor, 0)
    if not scale:
        raise NotImportable(f"its upconv1 makes {factor} times the channels; 4 and 9 are known")
    network = SRResNetConfig(width=width, blocks=_count(layers, "body"), scale=scale)
    return _finding(network, layers, scale, f"{network.blocks} blocks, width {width}")


def _rrdbnet(layers: Layers, settings: ImportSettings) -> Finding:
    first, growth = kernel(layers, "conv_first"), len(kernel(layers, "body.0.rdb1.conv1"))
    packed = first.shape[1]
    if packed == 3:
        network = RRDBConfig(width=len(first), blocks=_count(layers, "body"), growth=growth, scale=4)
    elif packed == 12:
        network = RRDBConfig(width=len(first), blocks=_count(layers, "body"), growth=growth, scale=2)
    elif packed == 48:
        network = RRDBConfig(width=len(first), blocks=_count(layers, "body"), growth=growth, scale=1)
    else:
        raise NotImportable(f"its first layer takes {packed} channels; 3, 12 and 48 are known")
    what = f"{network.blocks} blocks, width {network.width}"
    return _finding(network, layers, network.scale, what, multiple=4 // network.scale)


_RENAMED = (
    (re.compile(r"^RRDB_trunk\.(\d+)\.RDB(\d)\."), r"body.\1.rdb\2."),
    (re.compile(r"^trunk_conv$"), "conv_body"),
    (re.compile(r"^upconv(\d)$"), r"conv_up\1"),
    (re.compile(r"^HRconv$"), "conv_hr"),
)
"""The names of ESRGAN's own code, and what they are in BasicSR's."""


def _esrgan(layers: Layers, settings: ImportSettings) -> Finding:
    renamed: Layers = {}
    for name, layer in layers.items():
        for pattern, becomes in _RENAMED:
            name = pattern.sub(becomes, name)
        renamed[name] = layer
    return _rrdbnet(renamed, settings)


def _compact(layers: Layers, settings: ImportSettings) -> Finding:
    """Convolutions at even places, a PReLU behind each but the last."""
    width, last = len(kernel(layers, "body.0")), len(layers) - 1
    channels = len(kernel(layers, f"body.{last}"))
    scale = round((channels / 3) ** 0.5)
    if scale**2 * 3 != channels or not 1 <= scale <= 8:
        raise NotImportable(f"its last layer makes {channels} channels, 3 times no square")
    network = CompactConfig(width=width, layers=last // 2 - 1, scale=scale)
    return _finding(network, layers, scale, f"{network.layers} layers, width {width}")


def _srcnn(layers: Layers, settings: ImportSettings) -> Finding:
    one, two, three = (kernel(layers, f"conv{place}") for place in (1, 2, 3))
    if one.shape[1] != 1:
        raise NotImportable("it takes coloured pictures; those that take the luminance alone are known")
    scale = settings.scale or 3
    if not 2 <= scale <= 8:
        raise NotImportable(f"pictures {scale} times as large are not made, 2 to 8 times are")
    network = SRCNNConfig(widths=(len(one), len(two)), sides=(one.shape[2], two.shape[2], three.shape[2]), scale=scale)
    assumed = () if settings.scale else ("pictures three times as large (--scale says otherwise)",)
    found = f"kernels of {', '.join(map(str, network.sides))} pixels, width {len(one)}"
    return _finding(network, layers, scale, found, (*assumed, "luminance as ITU-R BT.601 has it, of 16 to 235"))


def _finding(
    network: Buildable, layers: Layers, scale: int, what: str, assumed: tuple[str, ...] = (), multiple: int = 1
) -> Finding:
    return Finding(
        "published-upscaler",
        network,
        fit(network, layers),
        side=128,
        inferred=(f"pictures {scale} times as large, by {what}",),
        assumed=assumed,
        summary=f"pictures {scale} times as large",
        multiple=multiple,
    )


def _count(layers: Layers, root: str) -> int:
    return len({name.split(".")[1] for name in layers if name.startswith(f"{root}.")})


_BOTH = "{weight,bias}"
EDSR = Layout(
    "edsr",
    "EDSR of BasicSR",
    names=("conv_first.weight", "body.#.conv1.weight", "conv_after_body.weight", "upsample.0.weight"),
    besides=(
        f"{{conv_first,conv_after_body,conv_last}}.{_BOTH}", f"body.#.{{conv1,conv2}}.{_BOTH}", f"upsample.#.{_BOTH}"
    ),
    read=_edsr,
)  # fmt: skip
SRRESNET = Layout(
    "msrresnet",
    "MSRResNet of BasicSR",
    names=("conv_first.weight", "body.#.conv1.weight", "body.#.conv2.bias", "upconv1.weight", "conv_hr.weight"),
    besides=(
        f"{{conv_first,conv_hr,conv_last,upconv1,upconv2}}.{_BOTH}", f"body.#.{{conv1,conv2}}.{_BOTH}"
    ),
    read=_srresnet,
)  # fmt: skip
RRDBNET = Layout(
    "rrdbnet",
    "ESRGAN and Real-ESRGAN of BasicSR (RRDBNet)",
    names=("conv_first.weight", "body.#.rdb1.conv1.weight", "conv_body.weight", "conv_up1.weight", "conv_hr.weight"),
    besides=(
        f"{{conv_first,conv_body,conv_up1,conv_up2,conv_hr,conv_last}}.{_BOTH}", f"body.#.rdb#.conv#.{_BOTH}"
    ),
    read=_rrdbnet,
)  # fmt: skip
ESRGAN = Layout(
    "esrgan",
    "ESRGAN under the names of its own code (RRDB_trunk)",
    names=("conv_first.weight", "RRDB_trunk.#.RDB1.conv1.weight", "trunk_conv.weight", "HRconv.weight"),
    besides=(
        f"{{conv_first,trunk_conv,upconv1,upconv2,HRconv,conv_last}}.{_BOTH}", f"RRDB_trunk.#.RDB#.conv#.{_BOTH}"
    ),
    read=_esrgan,
)  # fmt: skip
COMPACT = Layout(
    "srvgg",
    "SRVGGNetCompact of BasicSR and Real-ESRGAN",
    names=("body.0.weight", "body.0.bias", "body.1.weight", "body.2.weight", "body.3.weight"),
    besides=(f"body.#.{_BOTH}",),
    read=_compact,
)
SRCNN = Layout(
    "srcnn",
    "SRCNN (conv1, conv2, conv3)",
    names=tuple(f"conv{place}.{part}" for place in (1, 2, 3) for part in ("weight", "bias")),
    read=_srcnn,
)
