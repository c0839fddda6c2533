"""The generator of the official StarGAN (`200000-G.ckpt`)."""

from __future__ import annotations

from importing.errors import NotImportable
from importing.layers import Layers, kernel, without_statistics
from importing.layouts.layout import Finding, ImportSettings, Layout, fit
from importing.layouts.reference import blocks_of
from models.nn.published.stargan import Config

_TRUNK = 9
"""Place of the first residual block."""


def _read(layers: Layers, settings: ImportSettings) -> Finding:
    first = kernel(layers, "main.0")
    statistics = settings.statistics or "picture"
    network = Config(
        width=len(first),
        blocks=blocks_of(layers, "main", _TRUNK, root="main"),
        classes=first.shape[1] - 3,
        statistics=statistics,
    )
    if network.classes < 1:
        raise NotImportable(f"its first layer takes {first.shape[1]} channels, and no domain beside a coloured picture")
    return Finding(
        "published-target-translator",
        network,
        fit(network, layers if statistics == "stored" else without_statistics(layers)),
        side=128,
        inferred=(f"{network.classes} domains or attributes, {network.blocks} blocks, width {network.width}",),
        assumed=(
            "any of the attributes together, as of CelebA; of domains name one",
            *(
                ("norms by each picture's own statistics, as its test has it (--statistics stored: those in the file)",)
                if settings.statistics is None
                else ()
            ),
        ),
        summary="pictures with other attributes",
        multiple=4,
    )


_PARTS = "{weight,bias,running_mean,running_var,num_batches_tracked}"
LAYOUT = Layout(
    "stargan",
    "the official StarGAN's generator",
    names=("main.0.weight", "main.1.weight", "main.3.weight", "main.6.weight", "main.9.main.0.weight", "main.#.bias"),
    besides=(f"main.#.{_PARTS}", f"main.#.main.#.{_PARTS}"),
    read=_read,
)
