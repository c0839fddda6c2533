"""The pair of the first GAN (Goodfellow et al. 2014, arXiv 1406.2661, section 5): rectifiers up, maxout down."""

import torch
from torch import Tensor, nn

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


def _with_label(x: Tensor, labels: Tensor | None, classes: int) -> Tensor:
    """[N, D] -> [N, D + classes], the label appended as one-hot."""
    return torch.cat([x, nn.functional.one_hot(labels, classes).to(x.dtype)], dim=1) if classes else x
