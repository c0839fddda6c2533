"""Mosaics by rule, without learning: each cell of a picture becomes the tile of the bank that is most like it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models import model
from models.capabilities import Sampler, Stylizer
from models.model import Batch, Losses, register

_FIELD = 4
"""Side of the field of random colours from which a mosaic without a picture is made."""


@register("mosaic")
class Mosaic(Sampler, Stylizer):
    """A picture of tiles. Likeness is the distance between the mean colours of the quarters of cell and tile."""

    beyond_onnx = "it is more than a network of torch's operators"

    class Config(model.Config):
        size: int = 512
        tile: int = 16
        bank: int = 2048
        tint: float = 0.5
        """How far a tile's colour is moved towards its cell's: 0 leaves it, 1 makes their means equal."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.side = config.size
        self.latent_shape = (3, _FIELD, _FIELD)
        self.tiles = nn.Parameter(torch.zeros(config.bank, 3, config.tile, config.tile))

    def stylize(self, images: Tensor) -> Tensor:
        cells = self._cells(images)
        nearest = self.tiles[torch.cdist(_quarters(cells), _quarters(self.tiles)).argmin(1)]
        shift = (cells - nearest).mean((2, 3), keepdim=True)
        return self._picture((nearest + self.config.tint * shift).clamp(-1, 1), len(images))

    def sample(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        field = F.interpolate(latent, (self.side, self.side), mode="bicubic", align_corners=True)
        return self.stylize(field.tanh())

    def fit(self, data: Batch, step: int) -> Losses:
        """Fills the bank with training images, drawn without replacement."""
        chosen = torch.randperm(len(data["images"]))[: self.config.bank]
        self.tiles.data = data["images"][chosen].expand(-1, 3, -1, -1).clone()
        return {}

    def _cells(self, images: Tensor) -> Tensor:
        """[N, 3, size, size] -> [N * cells, 3, tile, tile]."""
        tile = self.config.tile
        return images.unfold(2, tile, tile).unfold(3, tile, tile).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)

    def _picture(self, cells: Tensor, count: int) -> Tensor:
        """The inverse of `_cells`."""
        across = self.side // self.config.tile
        return cells.unflatten(0, (count, across, across)).permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)


def _quarters(cells: Tensor) -> Tensor:
    """[N, 3, S, S] -> mean colours [N, 12]."""
    return F.adaptive_avg_pool2d(cells, 2).flatten(1)
