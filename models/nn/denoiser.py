"""The U-Net of a diffusion model: residual blocks that noise level and class modulate, attention where it is cheap.

After Ho et al. 2020 (arXiv 2006.11239, appendix B) with the adaptive group norm of Dhariwal and Nichol 2021 (arXiv
2105.05233, section 3). It works on patches of pixels (Luhman and Luhman 2022, arXiv 2207.04316): a quarter of the cost.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.nn.init import zero


class _Block(nn.Module):
    """x + f(x, e): f normalises, scales and shifts by what e says, and convolves twice. [N, C, H, W] -> the same."""

    def __init__(self, channels: int, embedding: int, dropout: float):
        super().__init__()
        self.first = nn.Sequential(nn.GroupNorm(8, channels), nn.SiLU(), nn.Conv2d(channels, channels, 3, padding=1))
        self.modulation = nn.Linear(embedding, channels * 2)
        self.norm = nn.GroupNorm(8, channels)
        self.second = nn.Sequential(nn.SiLU(), nn.Dropout(dropout), zero(nn.Conv2d(channels, channels, 3, padding=1)))

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        scale, shift = self.modulation(embedding)[:, :, None, None].chunk(2, dim=1)
        return x + self.second(self.norm(self.first(x)) * (1 + scale) + shift)


class _Attention(nn.Module):
    """x + attention over all places. [N, C, H, W] -> the same."""

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(8, channels)
        self.qkv = nn.Conv2d(channels, channels * 3, 1)
        self.out = zero(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(self.norm(x)).flatten(2).unflatten(1, (3, self.heads, -1)).transpose(3, 4)
        mixed = F.scaled_dot_product_attention(*qkv.unbind(1))
        return x + self.out(mixed.transpose(2, 3).reshape_as(x))


class _Level(nn.Module):
    """Blocks, the levels below at half the side, and blocks again, joined by addition."""

    def __init__(self, widths: tuple[int, ...], blocks: int, embedding: int, dropout: float):
        super().__init__()
        width, *below = widths
        self.before = nn.ModuleList(_Block(width, embedding, dropout) for _ in range(blocks))
        if below:
            self.down = nn.Conv2d(width, below[0], 3, stride=2, padding=1)
            self.below = _Level(tuple(below), blocks, embedding, dropout)
            self.up = nn.ConvTranspose2d(below[0], width, 2, stride=2)
        else:
            self.below = None
            self.attention = _Attention(width, width // 32)
        self.after = nn.ModuleList(_Block(width, embedding, dropout) for _ in range(blocks))

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        for block in self.before:
            x = block(x, embedding)
        x = self.attention(x) if self.below is None else x + self.up(self.below(self.down(x), embedding))
        for block in self.after:
            x = block(x, embedding)
        return x


class Denoiser(nn.Module):
    """(images [N, channels, S, S], levels [N], labels [N] or [N, told]) -> [N, channels, S, S].

    Args:
        patch: side of the square of pixels that one place of the network holds.
        widths: channels of each level, a multiple of 32 each; the side halves from one to the next.
        blocks: residual blocks on either way of each level.
        classes: labels are in [0, classes]; the last, `classes`, stands for none.
        told: if above 0, labels are so many numbers each instead, and zeros stand for none.
    """

    frequencies: Tensor

    def __init__(
        self,
        channels: int,
        patch: int,
        widths: tuple[int, ...],
        blocks: int,
        classes: int = 0,
        dropout: float = 0.0,
        told: int = 0,
    ):
        super().__init__()
        self.patch = patch
        embedding = widths[0] * 4
        self.register_buffer("frequencies", torch.exp(torch.linspace(0, math.log(1000), widths[0] // 2)))
        self.level = nn.Sequential(nn.Linear(widths[0], embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        self.label = nn.Linear(told, embedding) if told else nn.Embedding(classes + 1, embedding)
        self.first = nn.Conv2d(channels * patch**2, widths[0], 3, padding=1)
        self.levels = _Level(widths, blocks, embedding, dropout)
        self.last = nn.Sequential(
            nn.GroupNorm(8, widths[0]), nn.SiLU(), zero(nn.Conv2d(widths[0], channels * patch**2, 3, padding=1))
        )

    def forward(self, images: Tensor, levels: Tensor, labels: Tensor) -> Tensor:
        angles = levels[:, None] * self.frequencies
        embedding = F.silu(self.level(torch.cat([angles.sin(), angles.cos()], dim=1)) + self.label(labels))
        x = self.levels(self.first(F.pixel_unshuffle(images, self.patch)), embedding)
        return F.pixel_shuffle(self.last(x), self.patch)
