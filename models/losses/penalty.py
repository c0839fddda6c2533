"""What keeps a critic's slope in bounds."""

from collections.abc import Callable
from functools import reduce

import torch
from torch import Tensor, nn


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """E (‖∇f(x̂)‖ - 1)², x̂ uniform between a real and a generated image (WGAN-GP, arXiv 1704.00028, equation 3).

    Args:
        critic: [N, C, H, W] -> [N], each from its own image alone: no batch norm.
    """
    share = torch.rand(len(real), 1, 1, 1, device=real.device)
    between = torch.lerp(real, fake.to(real.dtype), share).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (gradient.flatten(1).float().norm(dim=1) - 1).square().mean()


def zero_centred_penalty(judge: Callable[..., Tensor], *given: Tensor) -> Tensor:
    """E ‖∇D‖², over all that D is given (R1 and R2 of Mescheder et al. 2018, arXiv 1801.04406, equations 9 and 10).

    Args:
        judge: tensors [N, ...] -> [N], each row from its own rows alone: no batch norm.
    """
    given = tuple(tensor.detach().requires_grad_() for tensor in given)
    slopes = torch.autograd.grad(judge(*given).sum(), given, create_graph=True)
    return reduce(torch.add, (slope.flatten(1).float().square().sum(1) for slope in slopes)).mean()


@torch.no_grad()
def clip_(module: nn.Module, bound: float) -> None:
    """Every parameter into [-bound, bound], in place (WGAN, arXiv 1701.07875, algorithm 1)."""
    for parameter in module.parameters():
        parameter.clamp_(-bound, bound)
