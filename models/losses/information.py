"""Information between variables, in nats."""

from torch import Tensor


def mutual_information(one: Tensor, other: Tensor) -> Tensor:
    """I(c; c') of categories whose probabilities are given for pairs, [N, K] twice (arXiv 1807.06653, equation 3)."""
    joint = one.T @ other / len(one)
    joint = ((joint + joint.T) / 2).clamp_min(1e-8)
    apart = joint.sum(0, keepdim=True) * joint.sum(1, keepdim=True)
    return (joint * (joint / apart).log()).sum()
