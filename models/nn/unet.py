"""The U-Net translator of pix2pix (arXiv 1611.07004, section 6.1.1): an encoder-decoder with mirrored layers joined."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.nn.init import normal_
from models.nn.native import native
from models.nn.norm import Norm, norm_layer
from models.noise import Stream


class _Level(nn.Module):
    """One halving and its mirrored doubling, around `inner`; the input is joined to the output."""

    def __init__(self, outer: int, features: int, inner: _Level | None, dropout: float, norm: Norm, latent: int):
        super().__init__()
        self.dropout = dropout
        joined = features if inner is None else features * 2
        self.down = nn.Sequential(
            nn.LeakyReLU(0.2),
            nn.Conv2d(outer + latent, features, 4, stride=2, padding=1),
            # One pixel has no variance, so the innermost map is not normalised.
            nn.Identity() if inner is None else norm_layer(norm, features),
        )
        self.inner = inner
        self.up = nn.Sequential(
            nn.ReLU(),
            nn.ConvTranspose2d(joined, outer, 4, stride=2, padding=1),
            norm_layer(norm, outer),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor, latent: Tensor | None, drops: Stream | None) -> Tensor:
        code = self.down(_joined(x, latent))
        if self.inner is not None:
            code = self.inner(code, latent, drops)
        made = self.up(code)
        if drops is not None and self.dropout:
            made = made * drops.dropout(made.shape[1:], self.dropout).to(made.dtype)
        return torch.cat([x, made], dim=1)


class UNetTranslator(nn.Module):
    """[N, C, size, size] in [-1, 1] -> the same. With instance norm an image never depends on its batch.

    Args:
        size: a power of two; the encoder halves it down to one pixel.
        width: channels of the outermost feature map (the paper's 64), doubled at each halving up to `width * cap`.
        dropout: in the levels around the innermost (the paper's 0.5), its only source of noise.
        out_channels: as many as go in, if absent.
        latent: numbers that each layer of the encoder sees besides (BicycleGAN, arXiv 1711.11586, figure 3).
        dropped: how many levels have dropout (the paper's three).
    """

    def __init__(
        self,
        channels: int,
        size: int,
        width: int,
        cap: int = 8,
        dropout: float = 0.5,
        norm: Norm = "affine-instance",
        out_channels: int | None = None,
        latent: int = 0,
        dropped: int = 3,
    ):
        super().__init__()
        depth = size.bit_length() - 1
        if size != 2**depth or depth < 4:
            raise ValueError(f"size {size} must be a power of two, and at least 16")
        widths = [width * min(2**level, cap) for level in range(depth)]
        level = _Level(widths[-2], widths[-1], None, 0.0, norm, latent)
        for index in range(depth - 2, 0, -1):
            rate = dropout if index >= depth - 1 - dropped else 0.0
            level = _Level(widths[index - 1], widths[index], level, rate, norm, latent)
        self.first = nn.Conv2d(channels + latent, width, 4, stride=2, padding=1)
        self.levels = level
        last = nn.ConvTranspose2d(width * 2, out_channels or channels, 4, stride=2, padding=1)
        self.last = nn.Sequential(nn.ReLU(), last, nn.Tanh())
        normal_(self)
        self.native = native(8 * width + 60, multiple=size, least=size)

    def forward(self, images: Tensor, latent: Tensor | None = None, drops: Stream | None = None) -> Tensor:
        """
        Args:
            latent: [N, D] numbers for the encoder, if it sees any.
            drops: what dropout is drawn from when it serves, the innermost level's first; if absent there is none.
        """
        return self.last(self.levels(self.first(_joined(images, latent)), latent, drops))


def _joined(x: Tensor, latent: Tensor | None) -> Tensor:
    """[N, C, H, W] with the numbers [N, D] as constant maps behind it."""
    if latent is None:
        return x
    return torch.cat([x, latent[:, :, None, None].to(x.dtype).expand(-1, -1, *x.shape[2:])], dim=1)
