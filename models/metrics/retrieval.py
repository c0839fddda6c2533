"""Whether a picture is known again among pictures of other subjects: R@1 of retrieval."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

SIDE = 16
"""Pictures are compared at this size, where what they show still tells and single pixels do not."""


def recall_at_1(made: Tensor, wanted: Sequence[str], gallery: Tensor, subjects: Sequence[str]) -> float:
    """Share of the images whose nearest picture of the gallery, by squared differences, is of the wanted subject.

    Args:
        made: [N, C, H, W].
        wanted: the N subjects that they should show.
        gallery: [M, C, H, W], any number of each of the `subjects` [M].
    """
    near = torch.cdist(*(F.adaptive_avg_pool2d(images, SIDE).flatten(1) for images in (made, gallery))).argmin(1)
    return sum(subjects[place] == subject for place, subject in zip(near.tolist(), wanted, strict=True)) / len(made)
