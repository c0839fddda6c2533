"""How near an image is to the one it should be."""

from torch import Tensor


def psnr(images: Tensor, truth: Tensor) -> Tensor:
    """Peak signal-to-noise ratio per image, 10 log10(2² / MSE) in dB; values in [-1, 1]. [N, C, H, W] twice -> [N]."""
    error = (images - truth).square().flatten(1).mean(1)
    return 10 * (4 / error.clamp_min(1e-10)).log10()


def hole_psnr(images: Tensor, truth: Tensor, masks: Tensor) -> Tensor:
    """The same of the pixels where `masks` [N, 1, H, W] is 1, and of no others."""
    error = ((images - truth).square().mean(1, keepdim=True) * masks).sum((1, 2, 3)) / masks.sum((1, 2, 3))
    return 10 * (4 / error.clamp_min(1e-10)).log10()
