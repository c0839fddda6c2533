"""Generators of the collection PyTorch-GAN, as its scripts save them."""

from __future__ import annotations

from importing.errors import NotImportable
from importing.layers import Layers, channels, kernel, matrix, side_of
from importing.layouts.layout import Finding, ImportSettings, Layout, fit
from importing.layouts.reference import blocks_of, finding, io
from models.families.imported import ResNet
from models.nn.published.pytorch_gan import GrowingConfig, PerceptronConfig, UNetConfig

_STATISTICS = "{running_mean,running_var,num_batches_tracked}"
_TRUNK = 10
"""Place of the first residual block."""


def _perceptron(layers: Layers, settings: ImportSettings) -> Finding:
    """Dense layers at `0`, `2`, `5`, `8` …, the norm of each but the first and the last behind it."""
    dense = [matrix(layers, f"model.{place}") for place in sorted(_dense_places(layers))]
    classes = len(matrix(layers, "label_emb")) if "label_emb" in layers else 0
    side, colours = side_of(len(dense[-1]))
    network = PerceptronConfig(
        latent=dense[0].shape[1] - classes,
        widths=tuple(len(each) for each in dense[:-1]),
        size=side,
        channels=colours,
        classes=classes,
    )
    if network.latent < 1:
        raise NotImportable("its first layer takes fewer numbers than its classes have")
    return _sampler(network, layers, f"perceptrons of {len(dense)} layers")


def _dense_places(layers: Layers) -> list[int]:
    weights = {name: layer["weight"] for name, layer in layers.items() if "weight" in layer and name != "label_emb"}
    return [int(name.split(".")[1]) for name, weight in weights.items() if weight.dim() == 2]


def _growing(layers: Layers, settings: ImportSettings) -> Finding:
    dense, first, last = matrix(layers, "l1.0"), kernel(layers, "conv_blocks.6"), kernel(layers, "conv_blocks.9")
    wide, narrow = first.shape[1], first.shape[0]
    classes = len(matrix(layers, "label_emb")) if "label_emb" in layers else 0
    small, rest = divmod(len(dense), wide)
    side, grey = side_of(small)
    if rest or grey != 1:
        raise NotImportable(f"its first layer makes {len(dense)} numbers, no square map of {wide} channels")
    network = GrowingConfig(
        latent=dense.shape[1], size=side * 4, widths=(wide, narrow), channels=channels(last, 0), classes=classes
    )
    return _sampler(network, layers, "two doublings")


def _sampler(network: PerceptronConfig | GrowingConfig, layers: Layers, what: str) -> Finding:
    of_classes = f", {network.classes} classes" if network.classes else ""
    return Finding(
        "published-sampler",
        network,
        fit(network, layers),
        side=network.size,
        inferred=(f"{what}, latents of {network.latent} numbers, pictures of {network.size} pixels{of_classes}",),
        summary="pictures of a class by a GAN" if network.classes else "pictures from noise by a GAN",
        fixed=True,
    )


def _resnet(layers: Layers, settings: ImportSettings) -> Finding:
    """As the reference code's, but for the blocks' name and doublings by resizing: `+1` and `+5` behind the blocks."""
    blocks = blocks_of(layers, "block", _TRUNK)
    end = _TRUNK + blocks
    first, last = kernel(layers, "model.1"), kernel(layers, f"model.{end + 9}")
    if first.shape[1] != 3:
        raise NotImportable("its pictures are not coloured; of others this code makes smaller ones")
    places = {f"net.{place}": f"model.{place}" for place in (1, 4, 7, end + 1, end + 5, end + 9)}
    for place in range(_TRUNK, end):
        places |= {f"net.{place}.net.{inside}": f"model.{place}.block.{inside}" for inside in (1, 5)}
    network = ResNet(width=len(first), blocks=blocks, norm="instance", doubling="resized", makes=channels(last, 0))
    inferred = (f"a ResNet of {blocks} blocks, width {len(first)}, that doubles by resizing", io(network))
    return finding(network, layers, places, inferred, side=256, multiple=4)


def _unet(layers: Layers, settings: ImportSettings) -> Finding:
    first, last = kernel(layers, "down1.model.0"), kernel(layers, "final.2")
    network = UNetConfig(width=len(first), takes=channels(first, 1), makes=channels(last, 0))
    inferred = (f"a U-Net of 8 halvings, width {network.width}", "dropout, which is off when it serves", io(network))
    return Finding("imported-pix2pix", network, fit(network, layers), side=256, inferred=inferred, multiple=256)


PERCEPTRON = Layout(
    "pytorch-gan-perceptron",
    "PyTorch-GAN's perceptrons (gan, wgan, wgan_gp, cgan …)",
    names=(
        "model.0.{weight,bias}", "model.2.weight", "model.3.weight", "model.3.running_mean", "model.5.weight",
        "model.#.bias",
    ),
    besides=("label_emb.weight", f"model.#.{_STATISTICS}", "model.#.weight"),
    read=_perceptron,
)  # fmt: skip
GROWING = Layout(
    "pytorch-gan-growing",
    "PyTorch-GAN's dcgan and, with classes, acgan",
    names=(
        "l1.0.{weight,bias}",
        *(f"conv_blocks.{place}.weight" for place in (0, 2, 3, 6, 7, 9)),
        "conv_blocks.#.bias",
    ),
    besides=("label_emb.weight", f"conv_blocks.#.{_STATISTICS}"),
    read=_growing,
)
RESNET = Layout(
    "pytorch-gan-resnet",
    "PyTorch-GAN's cyclegan",
    names=("model.1.weight", "model.4.weight", "model.7.weight", "model.10.block.1.weight", "model.#.block.5.weight"),
    besides=("model.#.{weight,bias}", "model.#.block.#.{weight,bias}"),
    read=_resnet,
)
UNET = Layout(
    "pytorch-gan-unet",
    "PyTorch-GAN's pix2pix",
    names=("down1.model.0.weight", "down8.model.0.weight", "up7.model.0.weight", "final.2.weight", "final.2.bias"),
    besides=("down#.model.0.weight", "up#.model.0.weight"),
    read=_unet,
)
