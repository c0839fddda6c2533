"""Luminance and colour apart (ITU-R BT.601): in studio range, as super-resolution treats them, and in full."""

import torch
from torch import Tensor

PILLOW_LUMINANCE = (0.299, 0.587, 0.114)
"""How Pillow, with which much code reads its pictures, makes grey of red, green and blue in full range."""

_RED, _GREEN, _BLUE = 65.481 / 255, 128.553 / 255, 24.966 / 255
_OFFSET = 16 / 127.5 - 1 + _RED + _GREEN + _BLUE
"""Y = 16 + 65.481 R + 128.553 G + 24.966 B for R, G, B in [0, 1] and Y of 255 levels, moved to [-1, 1]."""


def luminance(images: Tensor) -> Tensor:
    """RGB [N, 3, H, W] in [-1, 1] -> Y [N, 1, H, W], from 16 / 127.5 - 1 (black) to 235 / 127.5 - 1 (white)."""
    weights = torch.tensor([_RED, _GREEN, _BLUE]).to(images).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True) + _OFFSET


GAIN = 1 / (_RED + _GREEN + _BLUE)
"""How much is added to each of R, G and B where Y grows by 1 and the colour stays."""
