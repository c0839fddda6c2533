"""Text to image: GAN-INT-CLS (Reed et al. 2016, arXiv 1605.05396, algorithm 1)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from models import model
from models.capabilities import TextSampler
from models.losses.adversarial import NonSaturating
from models.losses.information import contrast
from models.model import Batch, Losses, Player, register
from models.nn.augment import augmented
from models.nn.dcgan import Doubling
from models.nn.text import ImageEncoder, TextDiscriminator, TextEncoder, TextGenerator


@register("gan-int-cls")
class GANIntCLS(TextSampler):
    """Noise and a text to an image.

    The discriminator is matching-aware (CLS): real images with a wrong text are as wrong as made ones with the right
    text. The generator also gets texts between two texts (INT). Three players, where the paper trains the encoders
    beforehand; and besides the paper's terms, the generator is rewarded if the image encoder knows its text again, and
    for being like the image, where a text has only one (`l1`, as in pix2pix, arXiv 1611.07004, equation 3).
    """

    class Config(model.Config):
        size: int = 64
        channels: int = 3
        latent: int = 64
        width: int = 32
        doubling: Doubling = "transposed"
        """Of the generator."""
        discriminator_width: int = 0
        """0: as the generator's."""
        augment: bool = False
        """Whether the discriminator sees all images augmented (`models.nn.augment`): for small sets of data."""
        embedding: int = 128
        told: int = 128
        """Numbers that an embedded text is compressed to."""
        temperature: float = 0.1
        """Of the softmax over similarities."""
        interpolated: float = 1.0
        """Weight of the texts between two texts."""
        matching: float = 0.0
        """Weight of being known again by the image encoder; the paper has no such term."""
        l1: float = 0.0
        """Weight of being like the image itself; the paper has none of this either."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.latent_shape = (config.latent,)
        self.encoder = TextEncoder(config.embedding)
        self.generator = TextGenerator(
            config.latent, config.embedding, config.told, config.channels, config.size, config.width, config.doubling
        )

    def sample(self, latent: Tensor, text: Tensor) -> Tensor:
        return self.generator(latent, self.encoder(text))

    def prepare_training(self) -> None:
        config = self.config
        width = config.discriminator_width or config.width
        self.discriminator = TextDiscriminator(config.embedding, config.told, config.channels, config.size, width)
        self.eye = ImageEncoder(config.channels, config.size, width, config.embedding)
        self.adversarial = NonSaturating()

    def players(self) -> tuple[Player, ...]:
        return (
            Player("encoders", (self.encoder, self.eye)),
            Player("discriminator", (self.discriminator,)),
            Player("generator", (self.generator,)),
        )

    def loss(self, player: str, batch: Batch) -> Losses:
        real, text = batch["images"], batch["text"]
        if player == "encoders":
            return {"matching": self._matching(real, self.encoder(text))}
        with torch.no_grad():
            right = self.encoder(text)
        latent = torch.randn(len(real), *self.latent_shape, device=real.device)
        if player == "generator":
            return self._generator_loss(latent, right, real)
        with torch.no_grad():
            fake = self.generator(latent, right)
        real, fake = self._seen(real), self._seen(fake)
        judged = [
            self.discriminator(*pair).float() for pair in ((real, right), (real, right.roll(1, 0)), (fake, right))
        ]
        of_real, of_wrong, of_fake = judged
        against = self.adversarial.discriminator
        return {"adversarial": (against(of_real, of_wrong) + against(of_real, of_fake)) / 2}

    def _generator_loss(self, latent: Tensor, right: Tensor, real: Tensor) -> Losses:
        """On the texts, and on half as many that lie between two of them (equation 5, β = ½)."""
        config, count = self.config, len(latent)
        between = F.normalize(right[: count // 2] + right[-(count // 2) :], dim=1)
        texts = torch.cat([right, between])
        fake = self.generator(torch.cat([latent, torch.randn_like(latent[: count // 2])]), texts)
        judged = self.discriminator(self._seen(fake), texts).float()
        losses = {
            "adversarial": self.adversarial.generator(judged[:count]),
            "interpolated": config.interpolated * self.adversarial.generator(judged[count:]),
        }
        if config.matching:
            losses["matching"] = config.matching * self._matching(fake[:count], right)
        if config.l1:
            losses["l1"] = config.l1 * F.l1_loss(fake[:count].float(), real)
        return losses

    def _seen(self, images: Tensor) -> Tensor:
        """The images as the discriminator sees them."""
        return augmented(images) if self.config.augment else images

    def _matching(self, images: Tensor, embedded: Tensor) -> Tensor:
        """How badly texts are told by images and images by texts, among those of the batch: the structured joint
        embedding (equation 2) with a softmax in place of its hinge."""
        return contrast(self.eye(images).float() @ embedded.float().T / self.config.temperature)
