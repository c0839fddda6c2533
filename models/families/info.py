"""Codes that mean something, found without labels: `infogan` is Chen et al. 2016 (arXiv 1606.03657)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from models import model
from models.attributes import Category, Code
from models.capabilities import Categoriser, Decoder, Sampler
from models.losses.adversarial import NonSaturating
from models.losses.information import mutual_information
from models.model import Batch, Losses, Player, register
from models.nn import dcgan


@register("infogan")
class InfoGAN(Sampler, Decoder, Categoriser):
    """Noise z, a category c_1 and continuous codes c_2 … to an image from which Q can tell the codes.

    A latent is normal throughout, so that it can be drawn, told and walked like any other: after `noise` numbers come
    one whose quantile picks the category, and one for each continuous code, whose quantile is a place in [-1, 1].
    """

    truncatable = False

    class Config(model.Config):
        size: int = 28
        channels: int = 1
        noise: int = 62
        categories: int = 10
        continuous: int = 2
        width: int = 64
        information: float = 1.0
        """λ of equation 5."""
        invariance: float = 0.0
        """Weight of what Q's categories of a real image and of the same image jittered know of each other, so that a
        kind is no slant or place (positive pairs, as in Elastic-InfoGAN, arXiv 1910.01112, section 3.2)."""
        jitter: float = 0.3
        """Size of the random affine maps that jitter an image."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.latent_shape = (config.noise + 1 + config.continuous,)
        places = range(config.noise + 1, *self.latent_shape)
        self.codes = (Category(config.noise, config.categories), *(Code(place) for place in places))
        names = ("category", *(f"code_{number}" for number in range(1, config.continuous + 1)))
        self.attributes = dict(zip(names, self.codes, strict=True))
        inputs = config.noise + config.categories + config.continuous
        self.generator = dcgan.Generator(inputs, config.channels, config.size, config.width)
        self.recogniser = dcgan.Encoder(
            config.channels, config.size, config.width, 1 + config.categories + config.continuous
        )
        """D and Q, which share all but their last layer."""

    def decode(self, codes: Tensor) -> Tensor:
        noise = codes[:, : self.config.noise]
        category, continuous = self._codes(codes)
        return self.generator(torch.cat([noise, F.one_hot(category, self.config.categories), continuous], dim=1))

    def sample(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.decode(latent)

    def categorise(self, images: Tensor) -> Tensor:
        """Q's logits of the category of each image. [N, C, H, W] -> [N, categories]."""
        return self._judge(images)[1]

    def prepare_training(self) -> None:
        self.adversarial = NonSaturating()

    def players(self) -> tuple[Player, ...]:
        return (Player("discriminator", (self.recogniser,)), Player("generator", (self.generator,)))

    def loss(self, player: str, batch: Batch) -> Losses:
        """Both players maximise L_I, the bound on the information that the image has of its codes (equation 5)."""
        real = batch["images"]
        latent = torch.randn(len(real), *self.latent_shape, device=real.device)
        with torch.set_grad_enabled(player == "generator"):
            fake = self.decode(latent)
        judged, category, means = self._judge(fake)
        losses = self._information(latent, category, means)
        if player == "generator":
            return losses | {"adversarial": self.adversarial.generator(judged)}
        judged_real, category, _ = self._judge(real)
        losses["adversarial"] = self.adversarial.discriminator(judged_real, judged)
        if self.config.invariance:
            again = self.categorise(jittered(real, self.config.jitter))
            shared = mutual_information(category.softmax(1), again.softmax(1))
            losses["invariance"] = -self.config.invariance * shared
        return losses

    def _codes(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """The category [N] and the continuous codes [N, continuous] that a latent stands for."""
        category, *continuous = (
            code.value(latent) for code in self.attributes.values() if isinstance(code, Code | Category)
        )
        return category.long(), torch.stack(continuous, dim=1)

    def _judge(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """D's logits [N], Q's of the category [N, categories], Q's means of the continuous codes [N, continuous]."""
        verdict = self.recogniser(images).float()
        return verdict[:, 0], *verdict[:, 1:].split([self.config.categories, self.config.continuous], dim=1)

    def _information(self, latent: Tensor, category: Tensor, means: Tensor) -> Losses:
        """-λ log Q(c|x); of the continuous codes, Q is a normal of variance 1 around its means."""
        right, continuous = self._codes(latent)
        return {
            "category": self.config.information * F.cross_entropy(category, right),
            "continuous": self.config.information * 0.5 * (means - continuous).square().sum(1).mean(),
        }


def jittered(images: Tensor, size: float) -> Tensor:
    """Each image through its own affine map: the identity and uniform noise of ± `size`. [N, C, S, S] -> the same."""
    identity = torch.eye(2, 3, device=images.device)
    maps = identity + size * (2 * torch.rand(len(images), 2, 3, device=images.device) - 1)
    grid = F.affine_grid(maps, list(images.shape), align_corners=False)
    return F.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)
