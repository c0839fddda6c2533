"""Luminance and colour apart (ITU-R BT.601): in studio range, as super-resolution treats them, and in full."""

import torch
from torch import Tensor

_PILLOW = (19595.0, 38470.0, 7471.0)
"""Shares of red, green and blue in grey, in 65,536ths. Sums of so many whole levels are exact in float32."""

_RED, _GREEN, _BLUE = 65.481 / 255, 128.553 / 255, 24.966 / 255
_OFFSET = 16 / 127.5 - 1 + _RED + _GREEN + _BLUE
"""Y = 16 + 65.481 R + 128.553 G + 24.966 B for R, G, B in [0, 1] and Y of 255 levels, moved to [-1, 1]."""


def luminance(images: Tensor) -> Tensor:
    """RGB [N, 3, H, W] in [-1, 1] -> Y [N, 1, H, W], from 16 / 127.5 - 1 (black) to 235 / 127.5 - 1 (white)."""
    weights = torch.tensor([_RED, _GREEN, _BLUE]).to(images).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True) + _OFFSET


def pillow_grey(images: Tensor) -> Tensor:
    """RGB [N, 3, H, W] in [-1, 1] -> grey [N, 1, H, W] as Pillow makes it, with which much code reads its pictures: in
    full range, and in whole levels of 255."""
    levels = ((images + 1) * 127.5).round()
    weighed = (levels * images.new_tensor(_PILLOW)[:, None, None]).sum(1, keepdim=True)
    return ((weighed + 32768) / 65536).floor() / 127.5 - 1


GAIN = 1 / (_RED + _GREEN + _BLUE)
"""How much is added to each of R, G and B where Y grows by 1 and the colour stays."""
