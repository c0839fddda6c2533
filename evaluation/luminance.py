"""Luminance as the literature on super-resolution measures it: the Y of ITU-R BT.601, from 16 to 235."""

from torch import Tensor

from models.nn.colour import luminance


def psnr_y(images: Tensor, truth: Tensor, border: int) -> Tensor:
    """Peak signal-to-noise ratio in dB of the luminance, peak 255, without `border` pixels on each side.

    [N, 3, H, W] in [-1, 1] twice, rounded to 256 levels first -> [N].
    """

    def levels(pictures: Tensor) -> Tensor:
        rounded = ((pictures.clamp(-1, 1) + 1) * 127.5).round()
        height, width = pictures.shape[2:]
        return luminance(rounded / 127.5 - 1)[:, :, border : height - border, border : width - border]

    error = (levels(images) - levels(truth)).mul(127.5).square().flatten(1).mean(1)
    return 10 * (255**2 / error.clamp_min(1e-7)).log10()
