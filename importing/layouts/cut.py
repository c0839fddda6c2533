"""The ResNet generator of CUT and FastCUT as it is by default, with filters against aliasing (`latest_net_G.pth`)."""

from __future__ import annotations

from importing.layers import Layers, channels, kernel, without_statistics
from importing.layouts.layout import Finding, ImportSettings, Layout, fit
from importing.layouts.reference import block, blocks_of, io, norm_of
from models.nn.published.cut import Config

_TRUNK = 12
"""Place of the first residual block."""


def _read(layers: Layers, settings: ImportSettings) -> Finding:
    """Convolutions at `1`, `4` and `8`, filters at `7` and `11`, blocks, and then, with filters, a layer more each."""
    blocks = blocks_of(layers, "conv_block", _TRUNK)
    end = _TRUNK + blocks
    blurred_up = "filt" in layers.get(f"model.{end}", {})
    first = kernel(layers, "model.1")
    last = kernel(layers, f"model.{end + (9 if blurred_up else 7)}")
    _, padded, dropout = block(layers, f"model.{_TRUNK}.conv_block.")
    norm, norm_inferred = norm_of(layers, "model.1", "model.2", settings)
    network = Config(
        width=len(first),
        blocks=blocks,
        norm=norm,
        padding=settings.padding if padded else "zero",
        dropout=dropout,
        blurred_up=blurred_up,
        takes=channels(first, 1),
        makes=channels(last, 0),
    )
    return Finding(
        "imported-pix2pix",
        network,
        fit(network, layers if norm == "batch" else without_statistics(layers)),
        side=256,
        inferred=(
            f"a ResNet of {blocks} blocks, width {len(first)}, that halves by filters and doubles by "
            f"{'filters' if blurred_up else 'transposed convolutions'}",
            norm_inferred,
            f"trained {'with' if dropout else 'without'} dropout, which is off when it serves",
            io(network),
        ),
        multiple=4,
    )


_PARTS = "{weight,bias,running_mean,running_var,num_batches_tracked}"
LAYOUT = Layout(
    "cut",
    "the ResNet generator of CUT and FastCUT, with filters against aliasing",
    names=(
        "model.1.weight",
        "model.4.weight",
        "model.7.filt",
        "model.8.weight",
        "model.11.filt",
        "model.12.conv_block.**",
    ),
    besides=(f"model.#.{_PARTS}", "model.#.filt", f"model.#.conv_block.#.{_PARTS}"),
    read=_read,
)
