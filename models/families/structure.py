"""SS-GAN (Wang and Gupta 2016, arXiv 1603.05631): first the structure of a picture, then its style.

The paper's structure is surface normals, and a network learns to read them from pictures; here it is a drawing of the
edges, which is a known function of a picture (`models.nn.edges`). The two GANs are trained independently (section 4);
they are not tuned together afterwards.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from models import model
from models.capabilities import Sampler, Translator
from models.card import Direction
from models.losses.adversarial import NonSaturating
from models.model import Batch, Losses, Player, Step, Steps, register
from models.nn.dcgan import Discriminator, Generator
from models.nn.edges import edges
from models.nn.style import StyleGenerator


@register("ss-gan")
class SSGAN(Sampler, Translator):
    """Noise to a drawing, and a drawing and more noise to a picture. A latent holds both, the drawing's first.

    Trained on pairs: `a` is the drawing, `b` the picture.
    """

    own_batch = 2
    directions = ("AtoB",)

    class Config(model.Config):
        size: int = 64
        channels: int = 3
        latent: int = 64
        style: int = 32
        width: int = 24
        constraint: float = 10.0
        """Weight of the pixels' agreement: the edges of what was made are those of the drawing (section 3.2)."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.latent_shape = (config.latent + config.style,)
        self.structure_generator = Generator(config.latent, 1, config.size, config.width)
        self.style_generator = StyleGenerator(config.style, config.channels, config.width)

    def sample(self, latent: Tensor, labels: Tensor | None = None) -> Steps:
        """Two steps: the drawing, the picture."""
        latent, style = latent.split([self.config.latent, self.config.style], dim=1)
        drawing = self.structure_generator(latent)
        yield Step(1, 2, drawing.expand(-1, self.config.channels, -1, -1))
        yield Step(2, 2, self.style_generator(drawing, style))

    def translate(self, images: Tensor, direction: Direction) -> Tensor:
        """A drawing, in the most typical style."""
        return self.style_generator(images.mean(1, keepdim=True), images.new_zeros(images.shape[0], self.config.style))

    def prepare_training(self) -> None:
        config = self.config
        self.discriminator_structure = Discriminator(1, config.size, config.width)
        self.discriminator_style = Discriminator(1 + config.channels, config.size, config.width)
        self.adversarial = NonSaturating()

    def players(self) -> tuple[Player, ...]:
        return (
            Player("structure-discriminator", (self.discriminator_structure,)),
            Player("structure-generator", (self.structure_generator,)),
            Player("style-discriminator", (self.discriminator_style,)),
            Player("style-generator", (self.style_generator,)),
        )

    def loss(self, player: str, batch: Batch) -> Losses:
        drawing, image = batch["a"].mean(1, keepdim=True), batch["b"]
        part, _, side = player.partition("-")
        with torch.set_grad_enabled(side == "generator"):
            fake = self._fake(part, drawing)
        if side == "generator":
            losses = {"adversarial": self.adversarial.generator(self._judge(part, drawing, fake))}
            if part == "style":
                losses["edges"] = self.config.constraint * F.l1_loss(edges(fake.float()), drawing)
            return losses
        judged = self._judge(part, drawing, drawing if part == "structure" else image), self._judge(part, drawing, fake)
        return {"adversarial": self.adversarial.discriminator(*judged)}

    def _fake(self, part: str, drawing: Tensor) -> Tensor:
        """A drawing from noise, or a picture from the drawing and noise."""
        if part == "structure":
            return self.structure_generator(torch.randn(len(drawing), self.config.latent, device=drawing.device))
        return self.style_generator(drawing, torch.randn(len(drawing), self.config.style, device=drawing.device))

    def _judge(self, part: str, drawing: Tensor, made: Tensor) -> Tensor:
        """Whether a drawing is real; or a picture, given its drawing."""
        if part == "structure":
            return self.discriminator_structure(made).float()
        return self.discriminator_style(torch.cat([drawing, made], dim=1)).float()
