"""Log-likelihoods and divergences, in nats, summed over the dimensions of each image."""

import math

import torch.nn.functional as F
from torch import Tensor


def bernoulli_nll(logits: Tensor, targets: Tensor) -> Tensor:
    """-log p(x | logits) of binary (or [0, 1]) targets. [N, ...] -> [N]."""
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="none").flatten(1).sum(1)


def kl_to_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, exp(log_variance)) || N(0, 1)) = -½ Σ(1 + log σ² - μ² - σ²), never negative (arXiv 1312.6114, app. B).

    [N, D] -> [N].
    """
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1)


def categorical_nll(logits: Tensor, values: Tensor) -> Tensor:
    """-log p(x | logits) of values in [0, K). [N, K, ...] and [N, ...] -> [N]."""
    return F.cross_entropy(logits, values, reduction="none").flatten(1).sum(1)


def standard_normal_nll(values: Tensor) -> Tensor:
    """-log N(x; 0, 1). [N, ...] -> [N]."""
    return 0.5 * (values.square() + math.log(2 * math.pi)).flatten(1).sum(1)


def importance_bound(log_weights: Tensor) -> Tensor:
    """log 1/K Σ_k w_k, which bounds log p(x) from below, the tighter the larger K (arXiv 1509.00519, eq. 8).

    [K, N] -> [N].
    """
    return log_weights.logsumexp(0) - math.log(len(log_weights))
