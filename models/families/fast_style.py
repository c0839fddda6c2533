"""Style transfer in one pass: a network learns to do what the optimisation does (`models.families.gatys`).

Johnson et al. 2016 (arXiv 1603.08155), in one network for all paintings by conditional instance norm (Dumoulin et al.
2016, arXiv 1610.07629). One style more than there are paintings is the picture as it is.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from models import model
from models.capabilities import MultiStyleStylizer
from models.families.gatys import Gatys
from models.features import shipped
from models.losses.style import content_loss, manner, style_loss, total_variation
from models.model import Batch, Losses, Player, register
from models.nn.native import native
from models.nn.stylist import Stylist


@register("fast-style")
class FastStyle(MultiStyleStylizer):
    """A picture in the manner of a painting, or of a mixture of paintings."""

    class Config(model.Config):
        paintings: str = "paintings-gatys"
        """The model that knows the manners of the paintings, by the features that it names."""
        classes: int = 10
        width: int = 16
        blocks: int = 5
        outer: int = 7
        content_weight: float = 0.03
        variation_weight: float = 1.0
        plain: float = 0.1
        """Share of training pictures that are to be left as they are."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.classes = config.classes
        self.native = native(600, multiple=4, least=16, default=True)
        self.network = Stylist(3, config.classes + 1, config.width, config.blocks, config.outer)

    def stylize(self, images: Tensor, manner: Tensor, strength: Tensor) -> Tensor:
        shares = strength[:, None]
        return self.network(images, torch.cat([shares * manner, 1 - shares], dim=1))

    def manner_of_classes(self, mixture: Tensor) -> Tensor:
        return mixture

    def prepare_training(self) -> None:
        self.teacher = shipped(self.config.paintings, Gatys)

    def players(self) -> tuple[Player, ...]:
        return (Player("stylist", (self.network,)),)

    def loss(self, player: str, batch: Batch) -> Losses:
        images, config, teacher = batch["images"], self.config, self.teacher
        chosen = torch.randint(config.classes, (len(images),), device=images.device)
        chosen = chosen.masked_fill(torch.rand(len(images), device=images.device) < config.plain, config.classes)
        made = self.network(images, F.one_hot(chosen, config.classes + 1).float())
        layers = teacher.config
        with torch.no_grad():
            content = teacher.network.features(images, layers.content)
        found = teacher.network.features(made, {*layers.style, *layers.content})
        painted = (chosen < config.classes).float()
        wanted = {name: matrices[chosen.clamp(max=config.classes - 1)] for name, matrices in teacher.manners.items()}
        style = painted * style_loss({name: manner(found[name]) for name in layers.style}, wanted)
        # Of pictures that stay, the pixels count, too.
        kept = content_loss(found, content) + (1 - painted) * 10 * (made - images).abs().mean((1, 2, 3))
        return {
            "style": style.mean(),
            "content": config.content_weight * kept.mean(),
            "variation": config.variation_weight * (painted * total_variation(made)).mean(),
        }
