"""Bicubic interpolation with Keys' kernel, a = -0.5 (Keys 1981, doi 10.1109/TASSP.1981.1163711), as MATLAB's `imresize`
does it: super-resolution is trained and measured on pictures reduced by it.

When a picture is reduced the kernel is widened by the same factor, so that nothing folds over (antialiasing); beyond
the border the picture is mirrored.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def kernel(distance: Tensor) -> Tensor:
    """Keys' cubic, equation 15: the weight of a sample at a distance, in samples. Any shape."""
    x = distance.abs()
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return torch.where(x <= 1, near, torch.where(x < 2, far, torch.zeros_like(x)))


def resized(images: Tensor, height: int, width: int) -> Tensor:
    """[N, C, H, W] -> [N, C, height, width]; values may go beyond those of the input."""
    down, across = (_weights(*ends).to(images) for ends in ((images.shape[2], height), (images.shape[3], width)))
    return down @ images @ across.T


def reduced(images: Tensor, scale: int) -> Tensor:
    """[N, C, H, W] in [-1, 1] -> [N, C, H / scale, W / scale], rounded to the 256 levels of a picture.

    H and W are multiples of `scale`.
    """
    small = resized(images, images.shape[2] // scale, images.shape[3] // scale)
    return ((small + 1) * 127.5).round().clamp(0, 255) / 127.5 - 1


class Enlarge(nn.Module):
    """[N, C, H, W] -> [N, C, scale * H, scale * W], as `resized` but for the two pixels along the border, which are
    repeated there and not mirrored: a convolution, that needs no more memory the larger the picture."""

    reach = 2
    """How many pixels away a pixel is still looked at."""
    weight: Tensor

    def __init__(self, scale: int):
        super().__init__()
        self.scale = scale
        offsets = (torch.arange(scale, dtype=torch.float64) + 0.5) / scale - 0.5
        taps = kernel(torch.arange(-2, 3) - offsets[:, None])  # [scale, 5]
        weight = torch.einsum("ai,bj->abij", taps, taps).reshape(scale**2, 1, 5, 5)
        self.register_buffer("weight", weight.float(), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        count, channels, height, width = images.shape
        single = F.pad(images.reshape(count * channels, 1, height, width), (2, 2, 2, 2), mode="replicate")
        with torch.autocast(images.device.type, enabled=False):  # a picture has more levels than half a float
            large = F.pixel_shuffle(F.conv2d(single.float(), self.weight), self.scale)
        return large.reshape(count, channels, self.scale * height, self.scale * width)


def _weights(length: int, wanted: int) -> Tensor:
    """[wanted, length]: row i holds the share of each sample in the new sample i."""
    scale = wanted / length
    shrunk = min(scale, 1.0)
    reach = math.ceil(4 / shrunk) + 2
    centres = (torch.arange(wanted, dtype=torch.float64) + 0.5) / scale - 0.5
    places = (centres - 2 / shrunk).floor()[:, None].long() + torch.arange(reach)
    shares = kernel((places - centres[:, None]) * shrunk)
    mirrored = places % (2 * length)
    mirrored = torch.where(mirrored < length, mirrored, 2 * length - 1 - mirrored)
    weights = torch.zeros(wanted, length, dtype=torch.float64).scatter_add_(1, mirrored, shares)
    return weights / weights.sum(1, keepdim=True)
