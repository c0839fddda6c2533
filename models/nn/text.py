"""Networks that bring text and images together (Reed et al. 2016, arXiv 1605.05396, section 4)."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.nn.dcgan import Doubling, Generator
from models.nn.init import normal_
from models.text import GRAMS, grams


def bags(texts: Sequence[str]) -> Tensor:
    """What each text holds of `models.text.grams`: 1 or 0, [N, GRAMS] float32."""
    found = torch.zeros(len(texts), GRAMS)
    for row, text in zip(found, texts, strict=True):
        row[list(grams(text))] = 1
    return found


class TextEncoder(nn.Module):
    """φ(t): bags of runs of letters [N, GRAMS] -> points on the unit sphere [N, embedding].

    It stands in for the paper's recurrent network over letters: names are too short for their order to say much.
    """

    def __init__(self, embedding: int):
        super().__init__()
        self.table = nn.Linear(GRAMS, embedding, bias=False)
        self.net = nn.Sequential(
            nn.Linear(embedding, 2 * embedding), nn.LeakyReLU(0.2), nn.Linear(2 * embedding, embedding)
        )
        nn.init.normal_(self.table.weight, 0.0, 1.0)

    def forward(self, text: Tensor) -> Tensor:
        read = self.table(text) / text.sum(1, keepdim=True).clamp(min=1).sqrt()
        return F.normalize(read + self.net(read), dim=1)


class ImageEncoder(nn.Module):
    """[N, channels, size, size] -> [N, embedding] on the unit sphere. It looks at them at half their size."""

    def __init__(self, channels: int, size: int, width: int, embedding: int):
        super().__init__()
        self.net = nn.Sequential(
            nn.AvgPool2d(2),
            nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1), nn.GroupNorm(4, 2 * width), nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1), nn.GroupNorm(4, 4 * width), nn.LeakyReLU(0.2),
            nn.Flatten(), nn.Linear(4 * width * (size // 16) ** 2, embedding),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        return F.normalize(self.net(images), dim=1)


class Compression(nn.Sequential):
    """Embedded texts [N, embedding] on the unit sphere -> [N, compressed], not drowned by noise or features beside."""

    def __init__(self, embedding: int, compressed: int):
        super().__init__(nn.Linear(embedding, compressed), nn.LeakyReLU(0.2))
        self.radius = math.sqrt(3 * embedding)  # a new linear layer has weights of variance 1 / (3 embedding)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(self.radius * input)


class TextGenerator(nn.Module):
    """[N, latent] and embedded texts [N, embedding], which are compressed to `compressed` numbers -> images."""

    def __init__(
        self,
        latent: int,
        embedding: int,
        compressed: int,
        channels: int,
        size: int,
        width: int,
        doubling: Doubling = "transposed",
    ):
        super().__init__()
        self.compress = Compression(embedding, compressed)
        self.generator = Generator(latent + compressed, channels, size, width, doubling=doubling)

    def forward(self, latent: Tensor, embedded: Tensor) -> Tensor:
        return self.generator(torch.cat([latent, self.compress(embedded)], dim=1))


class TextDiscriminator(nn.Module):
    """Images and embedded texts -> logits [N]: above 0, a real image that goes with its text.

    The compressed text joins the last feature map, at each of its places (figure 2).
    """

    def __init__(self, embedding: int, compressed: int, channels: int, size: int, width: int):
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        while size > 8:
            layers += [
                nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(2 * width),
                nn.LeakyReLU(0.2),
            ]
            size, width = size // 2, 2 * width
        self.look = nn.Sequential(*layers)
        self.compress = Compression(embedding, compressed)
        self.judge = nn.Sequential(
            nn.Conv2d(width + compressed, width, 1, bias=False), nn.BatchNorm2d(width), nn.LeakyReLU(0.2),
            nn.Conv2d(width, 1, size // 2),
        )  # fmt: skip
        normal_(self)

    def forward(self, images: Tensor, embedded: Tensor) -> Tensor:
        seen = self.look(images)
        text = self.compress(embedded)[:, :, None, None].expand(-1, -1, *seen.shape[2:])
        return self.judge(torch.cat([seen, text], dim=1)).flatten()
