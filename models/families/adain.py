"""Any picture's style in one pass: the features of one picture take on the statistics of another's, and are decoded.

Huang and Belongie 2017 (AdaIN, arXiv 1703.06868). The encoder is our own feature network (`models.features`), which
stays as it is; the decoder is its mirror and learns.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models import model
from models.capabilities import ArbitraryStylizer
from models.features import feature_network
from models.losses.style import content_loss, total_variation
from models.model import Batch, Losses, Player, device_of, register
from models.nn.init import he_
from models.nn.native import native
from models.nn.vgg import VGG


@register("adain")
class AdaIN(ArbitraryStylizer):
    """A picture in the manner of another one."""

    class Config(model.Config):
        features: str = "medley-features"
        """Whose lower layers the encoder has."""
        classes: int = 10
        """Paintings that it knows by name."""
        widths: tuple[int, ...] = (16, 32, 64, 128)
        depths: tuple[int, ...] = (2, 2, 3, 1)
        style_weight: float = 1.0
        content_weight: float = 1.0
        variation_weight: float = 0.0

    paintings: Tensor

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.encoder = VGG(3, 0, config.widths, config.depths).eval().fold().requires_grad_(False)
        self.decoder = Mirror(3, config.widths, config.depths)
        self.classes = config.classes
        self.native = native(600, multiple=8, least=16, default=True)
        self.register_buffer("paintings", torch.zeros(config.classes, 2, config.widths[-1]))
        """Mean and standard deviation of each channel, as they are over the cuts of a painting."""

    def stylize(self, images: Tensor, manner: Tensor, strength: Tensor) -> Tensor:
        """`strength` is how far the features go from the picture's own statistics to those of the manner."""
        content = self._read(images)
        features = torch.lerp(content, adapted(content, manner), strength[:, None, None, None])
        return self.decoder(features, images.shape[2:])

    def manner_of_classes(self, mixture: Tensor) -> Tensor:
        return torch.tensordot(mixture, self.paintings, 1)

    def manner_of(self, images: Tensor) -> Tensor:
        return statistics(self._read(images))

    def prepare_training(self) -> None:
        theirs = feature_network(self.config.features, device_of(self)).state_dict()
        self.encoder.load_state_dict({name: theirs[name] for name in self.encoder.state_dict()})

    def players(self) -> tuple[Player, ...]:
        return (Player("decoder", (self.decoder,)),)

    def loss(self, player: str, batch: Batch) -> Losses:
        config, images, paintings = self.config, batch["images"], batch["style"]
        half = len(images) // 2
        others = recoloured(torch.cat([paintings[half:], images]))
        style = torch.cat([paintings[:half], others[torch.randperm(len(others))[: len(images) - half]]])
        names = [name for name in self.encoder.layers if name.endswith("_1")]
        with torch.no_grad():
            wanted = {name: statistics(found) for name, found in self.encoder.features(style, names).items()}
            self._remember(batch["labels"][:half], wanted[self._top][:half])
            target = adapted(self._read(images), wanted[self._top])
        made = self.decoder(target, images.shape[2:])
        found = self.encoder.features(made, names)
        return {
            "content": config.content_weight * content_loss({self._top: found[self._top]}, {self._top: target}).mean(),
            "style": config.style_weight
            * torch.stack([_apart(statistics(found[name]), wanted[name]) for name in names]).mean(),
            "variation": config.variation_weight * total_variation(made).mean(),
        }

    def _read(self, images: Tensor) -> Tensor:
        """The features that take on a style, float32."""
        return self.encoder.features(images, [self._top])[self._top].float()

    def _remember(self, labels: Tensor, found: Tensor) -> None:
        """Moves what is known of the paintings towards the statistics of one cut each."""
        for label, each in zip(labels, found, strict=True):
            self.paintings[label].lerp_(each, 0.02)

    @property
    def _top(self) -> str:
        return list(self.encoder.layers)[-1]


class Mirror(nn.Module):
    """The way back from the last layer of a VGG to images: its layers in turn, and doublings where it takes means.

    [N, widths[-1], h, w] and the images' size -> [N, channels, H, W] in [-1, 1].
    """

    def __init__(self, channels: int, widths: tuple[int, ...], depths: tuple[int, ...]):
        super().__init__()
        below = (widths[0], *widths)
        self.stages = nn.ModuleList(
            nn.Sequential(*[_rectified(widths[stage], widths[stage]) for _ in range(depths[stage] - 1)],
                          _rectified(widths[stage], below[stage]))
            for stage in reversed(range(len(widths)))
        )  # fmt: skip
        self.write = nn.Conv2d(widths[0], channels, 3, padding=1, padding_mode="reflect")
        he_(self)

    def forward(self, features: Tensor, size: tuple[int, int]) -> Tensor:
        first, *others = self.stages
        x = first(features)
        for halvings, stage in zip(reversed(range(len(others))), others, strict=True):
            x = stage(F.interpolate(x, (size[0] >> halvings, size[1] >> halvings)))
        return torch.tanh(self.write(x))


def _rectified(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect"), nn.ReLU(inplace=True))


def statistics(features: Tensor) -> Tensor:
    """Mean and standard deviation of each channel. [N, C, H, W] -> [N, 2, C] float32."""
    flat = features.float().flatten(2)
    return torch.stack([flat.mean(2), (flat.var(2, unbiased=False) + 1e-5).sqrt()], dim=1)


def adapted(content: Tensor, manner: Tensor) -> Tensor:
    """The content [N, C, H, W] with other means and standard deviations (equation 8), `manner` [N, 2, C]."""
    mean, deviation = (each[:, :, None, None] for each in manner.unbind(1))
    return F.instance_norm(content) * deviation + mean


def recoloured(images: Tensor) -> Tensor:
    """The images, their channels in another order and half of them inverted: more styles than there are pictures."""
    rows = [image[torch.randperm(3)] * (1 if torch.rand(()) < 0.5 else -1) for image in images]
    return torch.stack(rows)


def _apart(found: Tensor, wanted: Tensor) -> Tensor:
    """Squared distance of the statistics (equation 13), as a share of the wanted ones' square. Scalar."""
    return ((found - wanted).square().sum(2) / wanted.square().sum(2).clamp(min=1e-8)).sum(1).mean()
