"""Kernel density estimates of the likelihood (Parzen windows), as in Goodfellow et al. 2014 (arXiv 1406.2661, sec. 5).

One normal kernel on each sample, not one normal fitted to all. The estimate is poor in many dimensions, and the ranking
it gives can mislead (Theis et al. 2015, arXiv 1511.01844): it stands here to be compared with papers that state it.
"""

import math

import torch
from torch import Tensor

WIDTHS = torch.logspace(-1, 0, 10)
"""Kernel widths that are tried, for pixels in [0, 1]."""
_ROWS = 500


def parzen_log_likelihood(samples: Tensor, validation: Tensor, test: Tensor) -> tuple[Tensor, float]:
    """Log-likelihood of each test point in nats, and the kernel's width, chosen on validation. [N, D] each -> [M]."""
    likelihoods = [log_density(validation, samples, float(width)).mean() for width in WIDTHS]
    width = float(WIDTHS[int(torch.stack(likelihoods).argmax())])
    return log_density(test, samples, width), width


def log_density(points: Tensor, centres: Tensor, width: float) -> Tensor:
    """log 1/N Σ_i N(point; centre_i, width² I). [M, D], [N, D] -> [M]."""
    dimensions = points.shape[1]
    constant = math.log(len(centres)) + dimensions / 2 * math.log(2 * math.pi * width**2)
    exponents = [-torch.cdist(rows, centres).square() / (2 * width**2) for rows in points.split(_ROWS)]
    return torch.cat([rows.logsumexp(1) for rows in exponents]) - constant
