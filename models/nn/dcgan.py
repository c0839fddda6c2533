"""The DCGAN pair (Radford et al. 2015, arXiv 1511.06434): transposed convolutions up, strided convolutions down."""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from models.nn.init import normal_
from models.nn.labels import one_hot
from models.nn.minibatch import head

Doubling = Literal["transposed", "resized"]


def _sides(size: int, depth: int) -> list[int]:
    """Sides of the feature maps from the smallest to the image: 28 -> 7, 14, 28; with a depth of 3 -> 3, 7, 14, 28.

    Args:
        depth: how often the image is halved; 0: to a side of 4 to 7.
    """
    sides = [size]
    while len(sides) <= depth if depth else sides[0] % 2 == 0 and sides[0] > 4:
        sides.insert(0, sides[0] // 2)
    if len(sides) < 3 or not 2 < sides[0] < 8:
        raise ValueError(f"size {size} must be 4 to 7 times a power of two, and at least 16")
    return sides


def _halving(side: int) -> tuple[int, int, int]:
    """Kernel, stride and padding of the convolution that halves an even side, or leaves the smaller half of an odd."""
    return (3, 2, 0) if side % 2 else (4, 2, 1)


def _doubled(inputs: int, outputs: int, side: int, doubling: Doubling, bias: bool = False) -> list[nn.Module]:
    """[N, inputs, side // 2, side // 2] -> [N, outputs, side, side]."""
    if doubling == "resized":
        return [nn.Upsample(size=side), nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)]
    return [nn.ConvTranspose2d(inputs, outputs, *_halving(side), bias=bias)]


class Generator(nn.Module):
    """[N, latent + classes] -> [N, channels, size, size] in [-1, 1].

    Args:
        width: channels of the last hidden feature map; they double towards the latent.
        classes: above 0, a one-hot label is appended to the latent.
        depth: how often the smallest map is doubled (`_sides`).
        doubling: by transposed convolutions, as the paper has it, or by resizing before a convolution, which leaves no
            grid in flat areas (Odena et al. 2016, doi 10.23915/distill.00003).
    """

    def __init__(
        self,
        latent: int,
        channels: int,
        size: int,
        width: int,
        classes: int = 0,
        depth: int = 0,
        doubling: Doubling = "transposed",
    ):
        super().__init__()
        smallest, *sides = _sides(size, depth)
        features = width * 2 ** (len(sides) - 1)
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(latent + classes, features, smallest, bias=False),
            nn.BatchNorm2d(features),
            nn.ReLU(inplace=True),
        ]
        for side in sides[:-1]:
            layers += [
                *_doubled(features, features // 2, side, doubling),
                nn.BatchNorm2d(features // 2),
                nn.ReLU(inplace=True),
            ]
            features //= 2
        layers += [*_doubled(features, channels, size, doubling, bias=True), nn.Tanh()]
        self.net = nn.Sequential(*layers)
        self.classes = classes
        normal_(self)

    def forward(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        if self.classes:
            latent = torch.cat([latent, one_hot(labels, self.classes, latent.dtype)], dim=1)
        return self.net(latent[:, :, None, None])


class Encoder(nn.Module):
    """[N, channels, size, size] -> [N, outputs]; `features` [N, F] are what the last layer sees.

    Args:
        width: channels of the first feature map; they double at each halving.
        dropout: probability of dropping a feature map, after each hidden layer.
        norm: whether there is batch norm; without it, what is said of an image depends on it alone.
        kernels: of minibatch discrimination before the last layer; 0: none.
        depth: how often the image is halved (`_sides`).
    """

    def __init__(
        self,
        channels: int,
        size: int,
        width: int,
        outputs: int,
        dropout: float = 0.0,
        norm: bool = True,
        kernels: int = 0,
        depth: int = 0,
    ):
        super().__init__()
        smallest, *sides = _sides(size, depth)
        layers: list[nn.Module] = [
            nn.Conv2d(channels, width, *_halving(size)),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Dropout2d(dropout),
        ]
        features = width
        for side in reversed(sides[:-1]):
            layers += [
                nn.Conv2d(features, features * 2, *_halving(side), bias=not norm),
                nn.BatchNorm2d(features * 2) if norm else nn.Identity(),
                nn.LeakyReLU(0.2, inplace=True),
                nn.Dropout2d(dropout),
            ]
            features *= 2
        self.features = nn.Sequential(*layers, nn.Flatten())
        self.head = head(features * smallest**2, outputs, kernels)
        if norm:
            normal_(self)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))


class Discriminator(Encoder):
    """[N, channels, size, size] -> logits [N]; above 0 means real.

    Args:
        classes: above 0, the label joins the image as `classes` constant maps (cGAN, arXiv 1411.1784: D sees y too).
        options: of `Encoder`.
    """

    def __init__(self, channels: int, size: int, width: int, classes: int = 0, dropout: float = 0.0, **options: Any):
        super().__init__(channels + classes, size, width, 1, dropout, **options)
        self.classes = classes

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        if self.classes:
            maps = one_hot(labels, self.classes, images.dtype)[:, :, None, None]
            images = torch.cat([images, maps.expand(-1, -1, *images.shape[2:])], dim=1)
        return super().forward(images).flatten()
