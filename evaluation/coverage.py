"""How many modes a generator covers, on stacked MNIST: three digits as the channels of one image, 1,000 modes.

Metz et al. 2016 (arXiv 1611.02163, section 3.3.1).
"""

import math
from collections.abc import Callable
from functools import reduce

import torch
from torch import Tensor


def mode_coverage(
    images: Tensor, classify: Callable[[Tensor], Tensor], classes: int = 10, channels: int = 1
) -> tuple[int, float]:
    """Modes that occur among the images, and KL(p(mode) || uniform) in nats: 0 if all occur alike.

    Args:
        images: [N, C, H, W], of which so many `channels` at a time are read by themselves.
        classify: [N, channels, H, W] -> logits [N, classes].
    """
    digits = [classify(part).argmax(1) for part in images.split(channels, dim=1)]
    modes = reduce(torch.add, (digit * classes**place for place, digit in enumerate(digits)))
    shares = torch.bincount(modes, minlength=classes ** len(digits)) / len(images)
    occurring = shares[shares > 0]
    return len(occurring), float((occurring * occurring.log()).sum() + math.log(len(shares)))
