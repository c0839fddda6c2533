"""The generator of the DCGAN in PyTorch's examples (`netG_epoch_24.pth`)."""

from __future__ import annotations

from importing.errors import NotImportable
from importing.layers import Layers, channels, kernel
from importing.layouts.layout import Finding, ImportSettings, Layout, fit
from models.nn.published.dcgan_example import Config


def _read(layers: Layers, settings: ImportSettings) -> Finding:
    """Transposed convolutions at `0`, `3`, `6` …, the norm of each but the last behind it."""
    kernels = [kernel(layers, f"main.{place}") for place in range(0, 3 * (len(layers) // 2) + 1, 3)]
    network = Config(
        latent=kernels[0].shape[0],
        widths=tuple(each.shape[1] for each in kernels[:-1]),
        channels=channels(kernels[-1], 1),
    )
    if network.size > 1024:
        raise NotImportable(f"pictures of {network.size} pixels are not taken, 1024 are the most")
    return Finding(
        "published-sampler",
        network,
        fit(network, layers),
        side=network.size,
        inferred=(f"latents of {network.latent} numbers, pictures of {network.size} x {network.size} pixels",),
        summary="pictures from noise by a DCGAN",
        fixed=True,
    )


LAYOUT = Layout(
    "dcgan-example",
    "the DCGAN's generator of PyTorch's examples",
    names=("main.0.weight", "main.3.weight", "main.1.{weight,bias}", "main.1.running_mean", "main.#.weight"),
    besides=("main.#.{bias,running_mean,running_var,num_batches_tracked}",),
    read=_read,
)
