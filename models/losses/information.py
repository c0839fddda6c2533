"""Information between variables, in nats."""

import torch
import torch.nn.functional as F
from torch import Tensor


def mutual_information(one: Tensor, other: Tensor) -> Tensor:
    """I(c; c') of categories whose probabilities are given for pairs, [N, K] twice (arXiv 1807.06653, equation 3)."""
    joint = one.T @ other / len(one)
    joint = ((joint + joint.T) / 2).clamp_min(1e-8)
    apart = joint.sum(0, keepdim=True) * joint.sum(1, keepdim=True)
    return (joint * (joint / apart).log()).sum()


def contrast(likeness: Tensor) -> Tensor:
    """How badly partners find each other among a batch, from rows to columns and back; [N, N], partners on the
    diagonal (InfoNCE, arXiv 1807.03748, equation 4, both ways as in arXiv 2103.00020, figure 3)."""
    partners = torch.arange(len(likeness), device=likeness.device)
    return (F.cross_entropy(likeness, partners) + F.cross_entropy(likeness.T, partners)) / 2
