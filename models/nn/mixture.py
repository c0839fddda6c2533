"""A mixture of normal distributions whose covariances are low-rank plus diagonal: densities, draws, conditionals.

Component k is N(μ, WWᵀ + Ψ), the factor analyser of Ghahramani and Hinton 1996 (CRG-TR-96-1), taken to whole images by
Richardson and Weiss 2018 (arXiv 1805.12462). With one component it is a single normal distribution.
"""

import math

import torch
from torch import Tensor, nn


class LowRankMixture(nn.Module):
    """K components over D dimensions, of rank R. All methods compute in float64."""

    def __init__(self, components: int, dimensions: int, rank: int):
        super().__init__()
        self.log_weights = nn.Parameter(torch.full((components,), -math.log(components)))
        self.means = nn.Parameter(torch.zeros(components, dimensions))
        self.factors = nn.Parameter(torch.zeros(components, dimensions, rank))
        self.log_noise = nn.Parameter(torch.zeros(components, dimensions))

    def joint(self, x: Tensor, known: Tensor | None = None) -> Tensor:
        """log π_k + log N(x; k), of the `known` dimensions alone if given (0 or 1). [N, D] (twice) -> [N, K]."""
        columns = [self._component(x.double(), index, known) for index in range(len(self.log_weights))]
        return torch.stack(columns, dim=1) + self.log_weights.double().log_softmax(0)

    def log_prob(self, x: Tensor) -> Tensor:
        """[N, D] -> [N]."""
        return self.joint(x).logsumexp(1)

    def draw(self, pick: Tensor, factor: Tensor, noise: Tensor) -> Tensor:
        """Of component `pick` [N]: μ + W factor + Ψ^½ noise. [N, R], [N, D] -> [N, D]."""
        spread = torch.einsum("ndr,nr->nd", self.factors[pick].double(), factor.double())
        return self.means[pick] + spread + self._scale()[pick] * noise

    def draw_given(self, x: Tensor, known: Tensor, uniform: Tensor, factor: Tensor, noise: Tensor) -> Tensor:
        """A draw of all dimensions given that the `known` ones are as in `x`: component and factors by their posterior.

        Args:
            x: [N, D], of which the unknown part is ignored.
            known: [N, D], 1 or 0.
            uniform: [N] in (0, 1), picks the component.
            factor: [N, R], and noise [N, D]: normal, or 0 for the mean.
        """
        posterior = self.joint(x, known).softmax(1)
        pick = pick_by(posterior, uniform)
        scaled = self.factors[pick].double() * (known / self._scale()[pick].square())[:, :, None]
        precision = torch.eye(self.factors.shape[2], dtype=torch.float64, device=x.device) + torch.einsum(
            "ndr,nds->nrs", scaled, self.factors[pick].double()
        )
        lower = torch.linalg.cholesky(precision)
        towards = torch.einsum("ndr,nd->nr", scaled, x.double() - self.means[pick])
        mean = torch.cholesky_solve(towards[:, :, None], lower)
        spread = torch.linalg.solve_triangular(lower.mT, factor.double()[:, :, None], upper=True)
        return self.draw(pick, (mean + spread)[:, :, 0], noise)

    def _scale(self) -> Tensor:
        return (self.log_noise.double() / 2).exp()

    def _component(self, x: Tensor, index: int, known: Tensor | None) -> Tensor:
        """log N(x; component) by Woodbury's identity: D R² instead of D³."""
        inverse = torch.exp(-self.log_noise[index].double())
        apart, factors = x - self.means[index], self.factors[index].double()
        rank = factors.shape[1]
        if known is None:
            scaled = factors * inverse[:, None]
            precision = (factors.T @ scaled).expand(1, rank, rank)
            towards, near = apart @ scaled, apart.square() @ inverse
            count, log_noise = x.shape[1], self.log_noise[index].double().sum()
        else:
            weights = known.double() * inverse
            precision = torch.einsum("dr,nd,ds->nrs", factors, weights, factors)
            towards, near = (apart * weights) @ factors, (apart.square() * weights).sum(1)
            count, log_noise = known.sum(1), known.double() @ self.log_noise[index].double()
        lower = torch.linalg.cholesky(precision + torch.eye(rank, dtype=torch.float64, device=x.device))
        solved = torch.linalg.solve_triangular(lower, towards[:, :, None], upper=False)[:, :, 0]
        log_determinant = log_noise + 2 * lower.diagonal(dim1=1, dim2=2).log().sum(1)
        return -0.5 * (count * math.log(2 * math.pi) + log_determinant + near - solved.square().sum(1))


def pick_by(probabilities: Tensor, uniform: Tensor) -> Tensor:
    """The index that a number in (0, 1) picks from each row of probabilities. [N, K], [N] -> [N]."""
    chosen = torch.searchsorted(probabilities.cumsum(1), uniform[:, None].to(probabilities.dtype))
    return chosen[:, 0].clamp_max(probabilities.shape[1] - 1)
