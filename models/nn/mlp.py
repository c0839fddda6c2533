"""Perceptrons: for vectors, and for images taken as vectors."""

from itertools import pairwise

from torch import Tensor, nn


class MLP(nn.Module):
    """[N, ...] flattened to [N, inputs] -> [N, outputs]; `hidden` layers of `width` units with leaky rectifiers."""

    def __init__(self, inputs: int, outputs: int, width: int, hidden: int = 2):
        super().__init__()
        sizes = [inputs, *[width] * hidden]
        layers = [layer for pair in pairwise(sizes) for layer in (nn.Linear(*pair), nn.LeakyReLU(0.2))]
        self.net = nn.Sequential(nn.Flatten(), *layers, nn.Linear(sizes[-1], outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)
