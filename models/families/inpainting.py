"""Models that fill in what is hidden of a picture, in one pass, from what is around it.

- `context-encoder`: Pathak et al. 2016 (arXiv 1604.07379): the middle of a picture, told from around it
- `gated-conv`: Yu et al. 2018 (arXiv 1806.03589): holes of any shape, by convolutions that learn what to trust
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models import model
from models.capabilities import Completer
from models.losses.adversarial import LeastSquares
from models.model import Batch, Losses, Player, register
from models.nn import dcgan
from models.nn.context import ContextFiller
from models.nn.gated import GatedFiller
from models.nn.patchgan import PatchGAN


class Filler(Completer):
    """The game of both: fill the hole as it was, and so that a discriminator takes it for real.

    It is one of least squares: on a few hundred pictures, logits grow without bound and outweigh the error. The
    generator moves first and leaves its images for the discriminator.
    """

    generator: nn.Module
    discriminator: nn.Module
    adversarial = LeastSquares()

    def players(self) -> tuple[Player, ...]:
        return (Player("generator", (self.generator,)), Player("discriminator", (self.discriminator,)))


@register("context-encoder")
class ContextEncoder(Filler):
    """A square in the middle, half as wide as the picture.

    Trained on 0.999 squared error + 0.001 of the game (equation 3). What is made is wider than the hole by a margin,
    whose error counts ten times, so that it joins on to what is known (section 5.1).
    """

    class Config(model.Config):
        size: int = 128
        channels: int = 3
        margin: int = 8
        """Pixels around the hole that are made, too."""
        width: int = 32
        adversarial: float = 0.001
        overlap: float = 10.0
        """What the margin's error counts for against the hole's."""
        discriminator_width: int = 32

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.hole = config.size // 2
        self.made = self.hole + 2 * config.margin
        self.generator = ContextFiller(config.channels, config.size, self.made, config.width)

    def complete(self, images: Tensor, mask: Tensor) -> Tensor:
        """Grey outside the square and its margin, of which nothing is told."""
        return F.pad(self._fill(images), ((images.shape[-1] - self.made) // 2,) * 4)

    def _fill(self, images: Tensor) -> Tensor:
        """The middle with its margin, [N, C, made, made]."""
        around = (images.shape[-1] - self.hole) // 2
        return self.generator(images - F.pad(_middle(images, self.hole), (around,) * 4))

    def prepare_training(self) -> None:
        config = self.config
        self.discriminator = dcgan.Discriminator(config.channels, self.hole, config.discriminator_width)
        margin = torch.full((self.made, self.made), config.overlap)
        margin[config.margin : -config.margin, config.margin : -config.margin] = 1
        self.weights = nn.Buffer(margin, persistent=False)

    def loss(self, player: str, batch: Batch) -> Losses:
        images, config = batch["images"], self.config
        if player == "generator":
            made = self._fill(images).float()
            error = self.weights * (made - _middle(images, self.made)).square()
            self.filled = _middle(made, self.hole).detach()
            verdicts = self.discriminator(_middle(made, self.hole)).float()
            return {
                "squared": (1 - config.adversarial) * error.mean(),
                "adversarial": config.adversarial * self.adversarial.generator(verdicts),
            }
        judged = self.discriminator(_middle(images, self.hole)).float(), self.discriminator(self.filled).float()
        return {"adversarial": self.adversarial.discriminator(*judged)}


@register("gated-conv")
class GatedConv(Filler):
    """Holes of any shape. The discriminator judges patches and knows where the hole is (section 3.4).

    Of the paper's two stages this is one.
    """

    class Config(model.Config):
        channels: int = 3
        width: int = 32
        dilations: tuple[int, ...] = (1, 2, 4, 8, 1)
        adversarial: float = 0.01
        discriminator_width: int = 32
        discriminator_halvings: int = 3

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.generator = GatedFiller(config.channels, config.width, config.dilations)

    def complete(self, images: Tensor, mask: Tensor) -> Tensor:
        return self.generator(images, mask)

    def prepare_training(self) -> None:
        config = self.config
        self.discriminator = PatchGAN(config.channels + 1, config.discriminator_width, config.discriminator_halvings)

    def loss(self, player: str, batch: Batch) -> Losses:
        images, mask, config = batch["images"], batch["mask"], self.config
        if player == "generator":
            made = self.generator(images, mask).float()
            self.filled = made.detach()
            error = (made - images).abs().mean(1, keepdim=True)
            return {
                "hole": (mask * error).sum() / mask.sum(),
                "adversarial": config.adversarial * self.adversarial.generator(self._judge(made, mask)),
            }
        return {
            "adversarial": self.adversarial.discriminator(self._judge(images, mask), self._judge(self.filled, mask))
        }

    def _judge(self, images: Tensor, mask: Tensor) -> Tensor:
        return self.discriminator(torch.cat([images, mask], dim=1)).float()


def _middle(images: Tensor, side: int) -> Tensor:
    """The square of that side in the middle of [N, C, S, S]."""
    around = (images.shape[-1] - side) // 2
    return images[..., around : around + side, around : around + side]
