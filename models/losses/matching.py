"""Losses that hold statistics of generated images against those of real ones."""

from collections.abc import Sequence

from torch import Tensor


def feature_matching(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Squared distance between the mean features of two batches, averaged over features and layers.

    Salimans et al. 2016 (arXiv 1606.03498, section 3.1). One [N, C, h, w] per layer; N may differ.
    """
    apart = [(ours.mean(0) - theirs.detach().mean(0)).square().mean() for ours, theirs in zip(fake, real, strict=True)]
    return sum(apart) / len(apart)
