"""The network of fast neural style in PyTorch's examples (`mosaic.pth`), with leftovers of old versions of torch."""

from __future__ import annotations

from importing.layers import Layers, kernel, without_statistics
from importing.layouts.layout import Finding, ImportSettings, Layout, fit
from models.nn.published.fast_neural_style import Config


def _read(layers: Layers, settings: ImportSettings) -> Finding:
    network = Config(width=len(kernel(layers, "conv1.conv2d")))
    leftover = any("running_mean" in layer for layer in layers.values())
    left_out = ("running statistics are left out, which its instance norms never use",) if leftover else ()
    return Finding(
        "published-stylizer",
        network,
        fit(network, without_statistics(layers)),
        side=256,
        inferred=(f"width {network.width}", *left_out),
        summary="pictures in one manner",
        multiple=4,
    )


_PARTS = "{weight,bias,running_mean,running_var,num_batches_tracked}"
LAYOUT = Layout(
    "fast-neural-style",
    "fast neural style of PyTorch's examples (TransformerNet)",
    names=("conv1.conv2d.weight", "in1.weight", "res1.conv1.conv2d.weight", "res5.in2.weight", "deconv3.conv2d.bias"),
    besides=(
        "{conv,deconv}#.conv2d.{weight,bias}", f"in#.{_PARTS}", "res#.conv#.conv2d.{weight,bias}", f"res#.in#.{_PARTS}"
    ),
    read=_read,
)  # fmt: skip
