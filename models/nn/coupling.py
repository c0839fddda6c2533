"""The invertible layers of Glow (Kingma and Dhariwal 2018, arXiv 1807.03039, table 1 and figure 2).

Each maps [N, C, H, W] to the same shape or to more channels, tells the log-determinant of its Jacobian per image, and
goes back with `inverse`. They compute in float32; only the networks that predict scales and shifts may use less.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.nn.init import zero
from models.nn.layers import Layers

BOUND = 2.0
"""Of the logarithm of any predicted scale, so that no inverse blows up."""


class Flow(nn.Module, ABC):
    """An invertible layer."""

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[N, C, H, W] -> y of the same shape, and log |det dy/dx|, [N] or the same for all."""

    @abstractmethod
    def inverse(self, y: Tensor) -> Tensor:
        """What `forward` made y of."""


class ActNorm(Flow):
    """A scale and a shift per channel, which give the first batch of training zero mean and unit variance (3.1)."""

    ready: Tensor
    """Whether the first batch has been seen."""

    def __init__(self, channels: int):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.log_scale = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.register_buffer("ready", torch.tensor(False))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if self.training and not self.ready:
            self._prepare(x)
        return (x + self.shift) * self.log_scale.exp(), self.log_scale.sum() * x.shape[2] * x.shape[3]

    def inverse(self, y: Tensor) -> Tensor:
        return y * (-self.log_scale).exp() - self.shift

    @torch.no_grad()
    def _prepare(self, x: Tensor) -> None:
        std, mean = torch.std_mean(x, dim=(0, 2, 3), keepdim=True)
        self.shift.copy_(-mean)
        self.log_scale.copy_(-(std + 1e-3).log())
        self.ready.fill_(True)


class InvertibleConv(Flow):
    """A 1x1 convolution W = P L (U + diag(s)), whose determinant is the product of s (3.2, equation 10).

    Its inverse is computed once, when the layer goes into evaluation mode.
    """

    permutation: Tensor
    sign: Tensor
    inverted: Tensor
    """The inverse of `weight`."""

    def __init__(self, channels: int):
        super().__init__()
        rotation, _ = torch.linalg.qr(torch.randn(channels, channels))
        permutation, lower, upper = torch.linalg.lu(rotation)
        diagonal = upper.diagonal()
        self.lower = nn.Parameter(lower)
        self.upper = nn.Parameter(upper)
        self.log_scale = nn.Parameter(diagonal.abs().log())
        self.register_buffer("permutation", permutation)
        self.register_buffer("sign", diagonal.sign())
        self.register_buffer("inverted", rotation.T.contiguous(), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(x.device.type, enabled=False):
            mixed = F.conv2d(x, self.weight()[:, :, None, None])
        return mixed, self.log_scale.sum() * x.shape[2] * x.shape[3]

    def inverse(self, y: Tensor) -> Tensor:
        return F.conv2d(y, self.inverted[:, :, None, None])

    def weight(self) -> Tensor:
        """W, [C, C]."""
        lower = self.lower.tril(-1) + torch.eye(len(self.lower), device=self.lower.device)
        upper = self.upper.triu(1) + torch.diag(self.sign * self.log_scale.exp())
        return self.permutation @ lower @ upper

    @torch.no_grad()
    def train(self, mode: bool = True) -> InvertibleConv:
        if not mode:
            self.inverted.copy_(torch.linalg.inv(self.weight().double()))
        return super().train(mode)


class AffineCoupling(Flow):
    """One half of the channels scaled and shifted by what the other half says (3.3)."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(channels // 2, width, 3, padding=1), nn.ReLU(),
            nn.Conv2d(width, width, 1), nn.ReLU(),
            zero(nn.Conv2d(width, channels, 3, padding=1)),
        )  # fmt: skip

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        kept, changed = x.chunk(2, dim=1)
        shift, log_scale = _shift_and_scale(self.net, kept)
        return torch.cat([kept, changed * log_scale.exp() + shift], dim=1), log_scale.sum((1, 2, 3))

    def inverse(self, y: Tensor) -> Tensor:
        kept, changed = y.chunk(2, dim=1)
        shift, log_scale = _shift_and_scale(self.net, kept)
        return torch.cat([kept, (changed - shift) * (-log_scale).exp()], dim=1)


class Glow(nn.Module):
    """Images [N, channels, S, S] to latents [N, channels * S * S], normal where the images are likely, and back.

    Each level halves the side, takes `depth` steps of flow, and hands half of the channels out as latents, which are
    given relative to what the other half predicts of them (the multi-scale architecture, figure 2b).
    """

    def __init__(self, channels: int, size: int, levels: int, depth: int, width: int):
        super().__init__()
        self.levels: Layers[Layers[Flow]] = Layers([])
        self.priors = nn.ModuleList()
        self.shapes: list[tuple[int, int, int]] = []
        for level in range(levels):
            channels, size = channels * 4, size // 2
            self.levels.append(
                Layers(
                    layer
                    for _ in range(depth)
                    for layer in (ActNorm(channels), InvertibleConv(channels), AffineCoupling(channels, width))
                )
            )
            if level < levels - 1:
                channels //= 2
                self.priors.append(zero(nn.Conv2d(channels, channels * 2, 3, padding=1)))
            self.shapes.append((channels, size, size))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The latents, and log |det dz/dx| [N]."""
        x, total = images, images.new_zeros(len(images))
        latents = []
        for index, level in enumerate(self.levels):
            x = F.pixel_unshuffle(x, 2)
            for layer in level:
                x, change = layer(x)
                total = total + change
            if index < len(self.priors):
                x, handed = x.chunk(2, dim=1)
                mean, log_scale = _shift_and_scale(self.priors[index], x)
                latents.append((handed - mean) * (-log_scale).exp())
                total = total - log_scale.sum((1, 2, 3))
        return torch.cat([part.flatten(1) for part in (*latents, x)], dim=1), total

    def inverse(self, latents: Tensor) -> Tensor:
        """The images that `forward` makes these latents of."""
        sizes = [channels * height * width for channels, height, width in self.shapes]
        parts = [part.unflatten(1, shape) for part, shape in zip(latents.split(sizes, 1), self.shapes, strict=True)]
        x = parts[-1]
        for index, level in reversed(list(enumerate(self.levels))):
            if index < len(self.priors):
                mean, log_scale = _shift_and_scale(self.priors[index], x)
                x = torch.cat([x, parts[index] * log_scale.exp() + mean], dim=1)
            for layer in reversed(list(level)):
                x = layer.inverse(x)
            x = F.pixel_shuffle(x, 2)
        return x


def _shift_and_scale(net: nn.Module, condition: Tensor) -> tuple[Tensor, Tensor]:
    """A shift, and the logarithm of a scale within ±`BOUND`."""
    shift, raw = net(condition).to(condition.dtype).chunk(2, dim=1)
    return shift, BOUND * torch.tanh(raw / BOUND)
