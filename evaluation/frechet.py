"""The Fréchet distance between two clouds of features (FID's formula, Heusel et al. 2017, arXiv 1706.08500, eq. 6)."""

import torch
from torch import Tensor


def frechet_distance(first: Tensor, second: Tensor) -> float:
    """|μ₁ - μ₂|² + Tr(C₁ + C₂ - 2 (C₁C₂)^½) of Gaussians fitted to features [N, D] and [M, D]; N and M well above D.

    Only with Inception's features is this the FID; name the extractor beside the figure.
    """
    (mean_1, covariance_1), (mean_2, covariance_2) = _moments(first), _moments(second)
    # The eigenvalues of a product of two covariances are real and not negative; rounding may make them slightly so.
    root = torch.linalg.eigvals(covariance_1 @ covariance_2).real.clamp_min(0).sqrt().sum()
    distance = (mean_1 - mean_2).square().sum() + covariance_1.trace() + covariance_2.trace() - 2 * root
    return float(distance)


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    features = features.double()
    return features.mean(0), torch.cov(features.T)
