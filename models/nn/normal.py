"""Normal distributions as networks tell them: a mean and a log-variance for each number."""

import torch
from torch import Tensor


def moments(parameters: Tensor) -> tuple[Tensor, Tensor]:
    """[N, 2 D] -> mean and log-variance, [N, D] float32 each."""
    mean, log_variance = parameters.float().chunk(2, dim=1)
    return mean, log_variance


def drawn(mean: Tensor, log_variance: Tensor) -> Tensor:
    """A draw that passes gradients on to both (the reparameterisation of arXiv 1312.6114, section 2.4)."""
    return mean + torch.randn_like(mean) * (log_variance / 2).exp()
