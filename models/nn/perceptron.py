"""The pair of the first GAN (Goodfellow et al. 2014, arXiv 1406.2661, section 5): rectifiers up, maxout down."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from models.nn.labels import one_hot
from models.nn.minibatch import head


class Generator(nn.Module):
    """[N, latent + classes] -> [N, channels, size, size] in [-1, 1].

    Batch norm between the layers is f-GAN's (arXiv 1606.00709, section 4.2); with it learning takes fewer steps.
    """

    def __init__(self, latent: int, channels: int, size: int, width: int, classes: int = 0):
        super().__init__()
        self.classes = classes
        self.net = nn.Sequential(
            nn.Linear(latent + classes, width), nn.BatchNorm1d(width), nn.ReLU(inplace=True),
            nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(inplace=True),
            nn.Linear(width, channels * size**2), nn.Tanh(), nn.Unflatten(1, (channels, size, size)),
        )  # fmt: skip

    def forward(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.net(_with_label(latent, labels, self.classes))


class Maxout(nn.Module):
    """The largest of `pieces` linear functions, for each output (Goodfellow et al. 2013, arXiv 1302.4389)."""

    def __init__(self, inputs: int, outputs: int, pieces: int = 5):
        super().__init__()
        self.pieces = pieces
        self.linear = nn.Linear(inputs, outputs * pieces)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).unflatten(1, (-1, self.pieces)).amax(2)


class Discriminator(nn.Module):
    """[N, channels, size, size] -> logits [N]: two maxout layers of `width` units, each with dropout."""

    def __init__(self, channels: int, size: int, width: int, classes: int = 0, dropout: float = 0.0, kernels: int = 0):
        super().__init__()
        self.classes = classes
        self.features = nn.Sequential(
            Maxout(channels * size**2 + classes, width), nn.Dropout(dropout),
            Maxout(width, width), nn.Dropout(dropout),
        )  # fmt: skip
        self.head = head(width, 1, kernels)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.head(self.features(_with_label(images.flatten(1), labels, self.classes))).flatten()


class NoisyEncoder(nn.Module):
    """[N, channels, size, size] -> [N, outputs]; normal noise before each layer, in training only.

    The discriminator of Improved GAN for MNIST (Salimans et al. 2016, arXiv 1606.03498, section 6.1); `features`
    [N, widths[-1]] are what its last layer sees.
    """

    def __init__(
        self,
        channels: int,
        size: int,
        outputs: int,
        widths: tuple[int, ...] = (1000, 500, 250, 250, 250),
        noise: tuple[float, float] = (0.3, 0.5),
    ):
        """
        Args:
            noise: standard deviations on the pixels, which are in [-1, 1], and on hidden layers.
        """
        super().__init__()
        at_pixels, hidden = noise
        layers: list[nn.Module] = [nn.Flatten(), Noise(at_pixels)]
        for inputs, units in pairwise((channels * size**2, *widths)):
            layers += [nn.Linear(inputs, units), nn.ReLU(inplace=True), Noise(hidden)]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1], outputs)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))


class Noise(nn.Module):
    """Adds normal noise of standard deviation `scale` in training."""

    def __init__(self, scale: float):
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * torch.randn_like(x) if self.training else x


def _with_label(x: Tensor, labels: Tensor | None, classes: int) -> Tensor:
    """[N, D] -> [N, D + classes], the label appended as one-hot."""
    return torch.cat([x, one_hot(labels, classes, x.dtype)], dim=1) if classes else x
