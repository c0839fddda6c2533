"""Arbitrary style transfer as naoto0804's code has it: `decoder.pth`, and with it `vgg_normalised.pth`."""

from __future__ import annotations

from importing.layers import Layers, kernel
from importing.layouts.layout import BESIDE, FILE, Finding, ImportSettings, Layout, fit
from models.nn.published.adain import Config

_ENCODER = (0, 2, 5, 9, 12, 16, 19, 22, 25, 29)
"""Places of the convolutions up to relu4_1; the file goes on to relu5_4."""
_DECODER = (1, 5, 8, 11, 14, 18, 21, 25, 28)


def _read(layers: Layers, settings: ImportSettings) -> Finding:
    first, second, third, fourth = (len(kernel(layers, f"{BESIDE}.{place}")) for place in (2, 9, 16, 29))
    network = Config(widths=(first, second, third, fourth))
    used: Layers = {}
    for ours, theirs, places in (("encoder", BESIDE, _ENCODER), ("decoder", FILE, _DECODER)):
        used |= {f"{ours}.{place}": layers.get(f"{theirs}.{place}", {}) for place in places}
    return Finding(
        "published-arbitrary-stylizer",
        network,
        fit(network, used),
        side=512,
        inferred=(f"an encoder of widths {', '.join(map(str, network.widths))}, and its mirror as decoder",),
        summary="pictures in the manner of another",
        multiple=8,
    )


LAYOUT = Layout(
    "adain",
    "naoto0804's AdaIN (decoder.pth, and --with vgg_normalised.pth)",
    names=(*(f"{FILE}.{place}.weight" for place in _DECODER), *(f"{BESIDE}.{place}.weight" for place in _ENCODER)),
    besides=(f"{FILE}.#.bias", f"{BESIDE}.#.{{weight,bias}}"),
    read=_read,
)
