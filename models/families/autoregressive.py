"""Autoregressive models of binary images: log p(x) = Σ log p(x_i | x_<i), exactly, and samples made place by place.

- `pixelcnn`: the gated PixelCNN of van den Oord et al. 2016 (arXiv 1606.05328)
- `pixelrnn`: PixelRNN with the diagonal BiLSTM, by the same (arXiv 1601.06759)
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from models import model
from models.capabilities import Sampler, SamplingCompleter, Scorer
from models.losses.likelihood import categorical_nll
from models.model import Batch, Losses, Player, Step, Steps, register
from models.nn.masked import GatedPixelCNN
from models.nn.mixture import pick_by
from models.nn.recurrent import DiagonalBiLSTM

NETWORKS = {"gated-convolutions": GatedPixelCNN, "diagonal-bilstm": DiagonalBiLSTM}


@register("pixelcnn")
@register("pixelrnn", network="diagonal-bilstm", width=64, layers=2)
class Autoregressive(Sampler, SamplingCompleter, Scorer):
    """Black and white pixels, in blocks of `block` x `block` that are drawn together, in raster order.

    With a block of 1 it is the papers' model. A larger one has a probability for each of its 2^(block²) patterns, so
    nothing is taken to be independent, and there are block² times fewer places to compute and to wait for.
    Trained on images binarised anew each step.
    """

    temperature = "sample"
    binary = True

    class Config(model.Config):
        network: Literal["gated-convolutions", "diagonal-bilstm"] = "gated-convolutions"
        size: int = 28
        block: int = 2
        width: int = 48
        layers: int = 8

    patterns: Tensor

    def __init__(self, config: Config):
        super().__init__()
        self.block, side = config.block, config.size // config.block
        self.latent_shape = (side, side)
        pixels = config.block**2
        self.network = NETWORKS[config.network](pixels, 2**pixels, side, config.width, config.layers)
        values = torch.arange(2**pixels)
        patterns = values[:, None] >> torch.arange(pixels) & 1
        self.register_buffer("patterns", patterns.float() * 2 - 1, persistent=False)

    def players(self) -> tuple[Player, ...]:
        return (Player("pixels", (self.network,)),)

    def loss(self, player: str, batch: Batch) -> Losses:
        return {"nll": self.nll(torch.bernoulli((batch["images"] + 1) / 2) * 2 - 1).mean()}

    def nll(self, images: Tensor) -> Tensor:
        """-log p of images of -1 and 1, in nats. [N, 1, H, W] -> [N]."""
        tokens = F.pixel_unshuffle(images, self.block)
        weights = 2 ** torch.arange(tokens.shape[1], device=tokens.device)
        values = ((tokens > 0) * weights[:, None, None]).sum(1)
        return categorical_nll(self.network(tokens).float(), values)

    def score(self, images: Tensor) -> Tensor:
        """The log-likelihood of the image in black and white, parted at mid-grey."""
        return -self.nll(_binary(images))

    def sample(self, latent: Tensor, labels: Tensor | None = None, temperature: Tensor | None = None) -> Steps:
        """Latent [N, side, side]: a normal number per block, whose quantile chooses the pattern."""
        return self._draw(latent, None, temperature)

    def complete(self, images: Tensor, mask: Tensor, noise: Tensor) -> Steps:
        """Draws the blocks under the mask, given all that is before them and what of them is known."""
        known = torch.where(mask > 0, 0.0, _binary(images))
        return self._draw(noise, F.pixel_unshuffle(known, self.block), None)

    def _draw(self, latent: Tensor, known: Tensor | None, temperature: Tensor | None) -> Steps:
        """Row after row; `known` [N, block², side, side] has -1 and 1 where a pixel is given, 0 elsewhere."""
        count, side = latent.shape[:2]
        cursor = self.network.cursor(count)
        tokens = torch.full((count, self.block**2, side, side), -1.0, device=latent.device)
        shares, patterns = torch.special.ndtr(latent.double()).permute(1, 2, 0).contiguous(), self.patterns.double()
        for row, across in enumerate(shares):
            drawn = []
            for column, share in enumerate(across):
                logits = cursor.logits() if temperature is None else cursor.logits() / temperature[:, None].double()
                if known is not None:
                    logits = logits.masked_fill(self._contradicts(known[:, :, row, column]), -torch.inf)
                drawn.append(patterns[pick_by(logits.softmax(1), share)])
                cursor.push(drawn[-1])
            tokens[:, :, row] = torch.stack(drawn, dim=2)
            yield Step(row + 1, side, F.pixel_shuffle(tokens, self.block))

    def _contradicts(self, known: Tensor) -> Tensor:
        """Which patterns are at odds with the known pixels of a block. [N, block²] -> [N, 2^(block²)]."""
        return (self.patterns * known[:, None] < 0).any(2)


def _binary(images: Tensor) -> Tensor:
    """-1 or 1, parted at 0."""
    return torch.where(images > 0, 1.0, -1.0)
