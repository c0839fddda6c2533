"""A translator that says what to change in its input (residual learning, VDSR, arXiv 1511.04587, section 3.2)."""

from torch import Tensor, nn

from models.nn.bounded import bounded
from models.nn.hourglass import Hourglass
from models.nn.init import zero
from models.nn.resnet import ResNetTranslator
from models.nn.unet import UNetTranslator


class Residual(nn.Module):
    """x + 2 f(x), cut off at ±1; f is 0 at first, so a fresh one leaves images as they are. [N, C, H, W] -> the same.

    Args:
        network: f, images and what else it takes -> [N, C, H, W] in [-1, 1].
    """

    def __init__(self, network: ResNetTranslator | UNetTranslator | Hourglass):
        super().__init__()
        self.network = network
        self.native = network.native
        zero([layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)][-1])

    def forward(self, images: Tensor, *conditions: Tensor) -> Tensor:
        """`conditions` are for the network alone."""
        return bounded(images + 2 * self.network(images, *conditions).float())
