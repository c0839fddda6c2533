"""Augmentation of all that a discriminator sees, real and made alike (DiffAugment, Zhao et al. 2020, arXiv 2006.10738).

Gradients pass through it, so that a generator learns from a discriminator that has never seen an image as it is: this
one cannot learn a small data set by heart, and the generator is not led to make augmented images.
"""

import torch
from torch import Tensor

SHIFT = 1 / 8
"""Largest translation, as a share of the side."""
HOLE = 1 / 2
"""Side of the square that is cut out, as a share of the image's."""


def augmented(images: Tensor) -> Tensor:
    """Each image in colours, at a place and with a hole of its own (the paper's `color + translation + cutout`).

    [N, C, S, S] in [-1, 1] -> the same shape; colours may leave the range.
    """
    return _holed(_moved(_coloured(images)))


def _coloured(images: Tensor) -> Tensor:
    """Brightness ±½, saturation times 0 to 2, contrast times ½ to 1½."""
    drawn = torch.rand(len(images), 3, 1, 1, 1, device=images.device, dtype=images.dtype)
    light, saturation, contrast = drawn.unbind(1)
    images = images + light - 0.5
    grey = images.mean(1, keepdim=True)
    images = grey + 2 * saturation * (images - grey)
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + (contrast + 0.5) * (images - mean)


def _moved(images: Tensor) -> Tensor:
    """Shifted in both directions; what comes in is 0, a middle grey."""
    count, side = len(images), images.shape[-1]
    most = round(side * SHIFT)
    down, right = torch.randint(2 * most + 1, (count, 2, 1), device=images.device).unbind(1)
    around = torch.nn.functional.pad(images, (most,) * 4).permute(0, 2, 3, 1)
    place = torch.arange(side, device=images.device)
    row = torch.arange(count, device=images.device)[:, None, None]
    return around[row, (place + down)[:, :, None], (place + right)[:, None, :]].permute(0, 3, 1, 2)


def _holed(images: Tensor) -> Tensor:
    """A square of 0 around a point that may be anywhere."""
    side = images.shape[-1]
    hole = round(side * HOLE)
    most = side - hole // 2 + 1 - hole % 2
    top, left = torch.randint(-(hole // 2), most, (len(images), 2, 1), device=images.device).unbind(1)
    place = torch.arange(side, device=images.device)
    rows, columns = ((place >= first) & (place < first + hole) for first in (top, left))
    return images * ~(rows[:, None, :, None] & columns[:, None, None, :])
