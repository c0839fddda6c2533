"""What keeps a critic from changing too fast, so that its difference is a distance between distributions."""

from collections.abc import Callable

import torch
from torch import Tensor


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """E(|∇f(x̂)| - 1)² at random points x̂ between real and generated images (WGAN-GP, arXiv 1704.00028, equation 3).

    f is the mean of the critic's verdicts on an image. Computed in single precision, whatever the rest is.

    Args:
        critic: images [N, C, H, W] -> verdicts [N, ...].
    """
    shares = torch.rand(len(real), 1, 1, 1, device=real.device)
    between = torch.lerp(fake.detach().float(), real.float(), shares).requires_grad_()
    with torch.autocast(real.device.type, enabled=False):
        verdicts = critic(between).flatten(1).mean(1)
        (slopes,) = torch.autograd.grad(verdicts.sum(), between, create_graph=True)
    return (slopes.flatten(1).norm(dim=1) - 1).square().mean()
