"""Super-resolution: pictures of any size enlarged, with the detail that bicubic interpolation loses.

- `srcnn`: Dong et al. 2015 (arXiv 1501.00092): three convolutions on the enlarged luminance, one network per scale
- `edsr`: Lim et al. 2017 (arXiv 1707.02921): a residual network without norms that works at the small size
- `srgan`: Ledig et al. 2016 (arXiv 1609.04802): that network, played against a discriminator for detail that is
  likely rather than right on average
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from models import model
from models.model import Batch, Losses, Model, Player, register
from models.nn.bicubic import Enlarge
from models.nn.colour import luminance
from models.nn.upscaler import ResidualUpscaler, Sharpener


class Upscaler(Model):
    """Trained on pictures (`images`) and the same reduced (`small`), by one of its scales at each step."""

    class Config(model.Config):
        scales: tuple[int, ...] = (2, 3, 4)

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.scales = config.scales

    def upscale(self, images: Tensor, scale: int) -> Tensor:
        """[N, 3, H, W] in [-1, 1] -> [N, 3, scale * H, scale * W]."""
        raise NotImplementedError

    def enlarged(self, batch: Batch) -> Tensor:
        """What it makes of `small`, of the size of `images`."""
        return self.upscale(batch["small"], batch["images"].shape[-1] // batch["small"].shape[-1])


@register("srcnn")
class SRCNN(Upscaler):
    """Minimises the squared error of the luminance (equation 4 of the paper)."""

    class Config(Upscaler.Config):
        width: int = 64

    def __init__(self, config: Config):
        super().__init__(config)
        self.enlarge = nn.ModuleDict({str(scale): Enlarge(scale) for scale in config.scales})
        self.networks = nn.ModuleDict({str(scale): Sharpener(config.width) for scale in config.scales})

    def upscale(self, images: Tensor, scale: int) -> Tensor:
        return self.networks[str(scale)](self.enlarge[str(scale)](images)).clamp(-1, 1)

    def players(self) -> tuple[Player, ...]:
        return (Player("network", (self.networks,)),)

    def loss(self, player: str, batch: Batch) -> Losses:
        return {"squared": F.mse_loss(luminance(self.enlarged(batch)), luminance(batch["images"]))}


@register("edsr")
class EDSR(Upscaler):
    """Minimises the absolute error (section 3.4 of the paper)."""

    class Config(Upscaler.Config):
        width: int = 64
        blocks: int = 8

    def __init__(self, config: Config):
        super().__init__(config)
        self.generator = ResidualUpscaler(config.width, config.blocks, config.scales)

    def upscale(self, images: Tensor, scale: int) -> Tensor:
        return self.generator(images, scale).clamp(-1, 1)

    def players(self) -> tuple[Player, ...]:
        return (Player("generator", (self.generator,)),)

    def loss(self, player: str, batch: Batch) -> Losses:
        return {"l1": F.l1_loss(self.enlarged(batch), batch["images"])}
