"""Variational auto-encoders: that of PyTorch's examples, and PyTorch-VAE's VanillaVAE (`last.ckpt`)."""

from __future__ import annotations

from importing.errors import NotImportable
from importing.layers import Layers, channels, kernel, matrix, side_of
from importing.layouts.layout import Finding, ImportSettings, Layout, fit
from models.nn.published.vae import ExampleConfig, VanillaConfig

_MOST_HALVINGS = 9


def _example(layers: Layers, settings: ImportSettings) -> Finding:
    first, code = matrix(layers, "fc1"), matrix(layers, "fc21")
    side, colours = side_of(first.shape[1])
    network = ExampleConfig(size=side, channels=colours, width=len(first), latent=len(code))
    return _finding(network, layers)


def _vanilla(layers: Layers, settings: ImportSettings) -> Finding:
    halvings = len({name.split(".")[1] for name in layers if name.startswith("encoder.")})
    if not 2 <= halvings <= _MOST_HALVINGS:
        raise NotImportable(f"its encoder halves {halvings} times; 2 to {_MOST_HALVINGS} are taken")
    kernels = [kernel(layers, f"encoder.{level}.0") for level in range(halvings)]
    network = VanillaConfig(
        widths=tuple(len(each) for each in kernels),
        latent=len(matrix(layers, "fc_mu")),
        channels=channels(kernels[0], 1),
        values=settings.values or "-1,1",
    )
    told = (
        "pictures of -1 to 1, as its last layer makes them (--values 0,1: of 0 to 1, as newer versions of it read them)"
    )
    return _finding(network, layers, () if settings.values else (told,))


def _finding(network: ExampleConfig | VanillaConfig, layers: Layers, assumed: tuple[str, ...] = ()) -> Finding:
    return Finding(
        "published-autoencoder",
        network,
        fit(network, layers),
        side=network.size,
        inferred=(f"codes of {network.latent} numbers, pictures of {network.size} x {network.size} pixels",),
        assumed=assumed,
        summary="pictures by a variational auto-encoder",
        fixed=True,
    )


EXAMPLE = Layout(
    "vae-example",
    "the variational auto-encoder of PyTorch's examples",
    names=tuple(f"{layer}.{part}" for layer in ("fc1", "fc21", "fc22", "fc3", "fc4") for part in ("weight", "bias")),
    read=_example,
)
_NORM = "{weight,bias,running_mean,running_var,num_batches_tracked}"
VANILLA = Layout(
    "vanilla-vae",
    "PyTorch-VAE's VanillaVAE",
    names=(
        "encoder.#.0.weight", "encoder.#.1.running_mean", "fc_mu.{weight,bias}", "fc_var.weight",
        "decoder_input.weight", "decoder.#.0.weight",
        "final_layer.0.weight", "final_layer.1.weight", "final_layer.3.weight",
    ),
    besides=(
        "{encoder,decoder}.#.0.bias", f"{{encoder,decoder}}.#.1.{_NORM}", "{fc_var,decoder_input}.bias",
        f"final_layer.1.{_NORM}", "final_layer.{0,3}.bias",
    ),
    read=_vanilla,
)  # fmt: skip
