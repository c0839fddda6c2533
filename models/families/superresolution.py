"""Super-resolution: pictures of any size enlarged, with the detail that bicubic interpolation loses.

- `srcnn`: Dong et al. 2015 (arXiv 1501.00092): three convolutions on the enlarged luminance, one network per scale
- `edsr`: Lim et al. 2017 (arXiv 1707.02921): a residual network without norms that works at the small size
- `srgan`: Ledig et al. 2016 (arXiv 1609.04802): that network, played against a discriminator for detail that is
  likely rather than right on average
"""

from __future__ import annotations

from abc import abstractmethod

import torch.nn.functional as F
from torch import Tensor, nn

from models import model
from models.capabilities import Upscaler
from models.features import feature_network, shipped
from models.losses.adversarial import NonSaturating
from models.losses.perceptual import Perceptual
from models.model import Batch, Losses, Player, device_of, register
from models.nn.bicubic import Enlarge
from models.nn.colour import luminance
from models.nn.native import native
from models.nn.patchgan import PatchGAN
from models.nn.upscaler import ResidualUpscaler, Sharpener


class SuperResolution(Upscaler):
    """Trained on pictures (`images`) and the same reduced (`small`), by one of its scales at each step."""

    class Config(model.Config):
        scales: tuple[int, ...] = (2, 3, 4)

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.scales = config.scales

    @abstractmethod
    def upscale(self, images: Tensor, scale: int) -> Tensor: ...

    def enlarged(self, batch: Batch) -> Tensor:
        """What it makes of `small`, of the size of `images`."""
        return self.upscale(batch["small"], batch["images"].shape[-1] // batch["small"].shape[-1])


@register("srcnn")
class SRCNN(SuperResolution):
    """Minimises the squared error of the luminance (equation 4 of the paper)."""

    class Config(SuperResolution.Config):
        width: int = 64

    def __init__(self, config: Config):
        super().__init__(config)
        self.enlarge = nn.ModuleDict({str(scale): Enlarge(scale) for scale in config.scales})
        self.networks = nn.ModuleDict({str(scale): Sharpener(config.width) for scale in config.scales})
        reach = Enlarge.reach + -(-Sharpener.reach // min(config.scales))
        self.native = native(7 * config.width * max(config.scales) ** 2, reach=reach, default=True)

    def upscale(self, images: Tensor, scale: int) -> Tensor:
        return self.networks[str(scale)](self.enlarge[str(scale)](images)).clamp(-1, 1)

    def players(self) -> tuple[Player, ...]:
        return (Player("network", (self.networks,)),)

    def loss(self, player: str, batch: Batch) -> Losses:
        return {"squared": F.mse_loss(luminance(self.enlarged(batch)), luminance(batch["images"]))}


@register("edsr")
class EDSR(SuperResolution):
    """Minimises the absolute error (section 3.4 of the paper)."""

    class Config(SuperResolution.Config):
        width: int = 64
        blocks: int = 8

    def __init__(self, config: Config):
        super().__init__(config)
        self.generator = ResidualUpscaler(config.width, config.blocks, config.scales)
        self.native = self.generator.native

    def upscale(self, images: Tensor, scale: int) -> Tensor:
        return self.generator(images, scale).clamp(-1, 1)

    def players(self) -> tuple[Player, ...]:
        return (Player("generator", (self.generator,)),)

    def loss(self, player: str, batch: Batch) -> Losses:
        return {"l1": F.l1_loss(self.enlarged(batch), batch["images"])}


@register("srgan")
class SRGAN(EDSR):
    """Minimises what a discriminator finds unreal (equation 6 of the paper, by its patches as in pix2pix), the distance
    in the features of a network of ours (section 2.2.1) and, against false colours, the absolute error.

    The generator moves first and leaves its images for the discriminator.
    """

    class Config(EDSR.Config):
        scales: tuple[int, ...] = (4,)
        start: str = ""
        """Which of the shipped models' weights to begin with, as the paper begins with those of its SRResNet."""
        features: str = ""
        """Which of the shipped classifiers' features; none if empty."""
        layers: tuple[str, ...] = ("relu2_2", "relu3_3")
        l1: float = 0.1
        adversarial: float = 0.02
        discriminator_width: int = 48
        discriminator_halvings: int = 2

    def __init__(self, config: Config):
        super().__init__(config)
        self.config = config

    def prepare_training(self) -> None:
        config = self.config
        self.discriminator = PatchGAN(3, config.discriminator_width, config.discriminator_halvings)
        self.adversarial = NonSaturating()
        if config.start:
            trained = shipped(config.start, EDSR).state_dict()
            self.load_state_dict(
                {name: trained[name] for name in self.generator.state_dict(prefix="generator.")}, False
            )
        self.perceptual = (
            Perceptual(feature_network(config.features, device_of(self)), config.layers) if config.features else None
        )

    def players(self) -> tuple[Player, ...]:
        return (*super().players(), Player("discriminator", (self.discriminator,)))

    def loss(self, player: str, batch: Batch) -> Losses:
        real = batch["images"]
        if player == "discriminator":
            verdicts = self.discriminator(real).float(), self.discriminator(self.made).float()
            return {"adversarial": self.adversarial.discriminator(*verdicts)}
        made = self.enlarged(batch)
        self.made = made.detach()
        losses = {
            "l1": self.config.l1 * F.l1_loss(made, real),
            "adversarial": self.config.adversarial * self.adversarial.generator(self.discriminator(made).float()),
        }
        return losses if self.perceptual is None else {**losses, "perceptual": self.perceptual(made, real)}
