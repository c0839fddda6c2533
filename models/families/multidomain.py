"""One generator for many domains. `stargan` is Choi et al. 2017 (arXiv 1711.09020).

It is told the domain to translate to by constant maps beside the image. Instance norm takes a constant away again, so
the first layer has none here, and convolutions are padded with zeros: with reflections the maps would stay constant.
`projection`, `translated` and `noise` are not the paper's: without them a small critic takes a faint texture for
another domain.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from models import model
from models.capabilities import TargetTranslator
from models.losses.adversarial import Wasserstein
from models.losses.penalty import gradient_penalty
from models.model import Batch, Losses, Player, register
from models.nn.critic import ClassifyingCritic
from models.nn.residual import Residual
from models.nn.resnet import Doubling, ResNetTranslator


@register("stargan")
class StarGAN(TargetTranslator):
    """Images of any domain to any other. The labels are domains [N], or attributes [N, classes] of 0 and 1."""

    class Config(model.Config):
        size: int = 128
        channels: int = 3
        classes: int = 3
        attributes: bool = False
        """Whether an image may have any of the classes at once."""
        width: int = 64
        blocks: int = 6
        doubling: Doubling = "transposed"
        residual: bool = False
        """Whether the generator says what to change in its input (`models.nn.residual`)."""
        classification: float = 1.0
        cycle: float = 10.0
        penalty: float = 10.0
        critic_width: int = 64
        critic_halvings: int = 6
        critic_turns: int = 5
        projection: bool = False
        """Whether the critic asks if an image is real as one of its domain, or real at all (arXiv 1802.05637)."""
        translated: int = 0
        """How many images of a batch are translated; all of them teach the critic its domains. 0: every one."""
        noise: float = 0.0
        """Deviation of the noise on what the critic sees (arXiv 1610.04490, section 4): a change too faint to be seen
        passes for no other domain then."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.classes = config.classes
        self.targets = "many" if config.attributes else "one"
        network = ResNetTranslator(
            config.channels + config.classes,
            config.width,
            config.blocks,
            padding="zero",
            outer="zero",
            first="none",
            doubling=config.doubling,
            out_channels=config.channels,
        )
        self.generator = Residual(network) if config.residual else network
        self.native = network.native

    def translate(self, images: Tensor, targets: Tensor) -> Tensor:
        """`targets` [N, classes]: 1 for what the result is to be, else 0."""
        maps = targets[:, :, None, None].to(images.dtype).expand(-1, -1, *images.shape[2:])
        return self.generator(images, maps)

    def prepare_training(self) -> None:
        config = self.config
        self.critic = ClassifyingCritic(
            config.channels,
            config.size,
            config.classes,
            config.critic_width,
            config.critic_halvings,
            config.projection,
        )
        self.adversarial = Wasserstein()

    def players(self) -> tuple[Player, ...]:
        critic = Player("critic", (self.critic,), turns=self.config.critic_turns)
        return (critic, Player("generator", (self.generator,)))

    def loss(self, player: str, batch: Batch) -> Losses:
        images, labels = batch["images"], self._labels(batch["labels"])
        few = slice(self.config.translated or None)
        targets = labels[torch.randperm(len(labels), device=labels.device)][few]
        if player == "critic":
            return self._critic(images, labels, targets)
        return self._generator(images[few], labels[few], targets)

    def _labels(self, labels: Tensor) -> Tensor:
        """[N, classes] of 0 and 1."""
        return labels if self.config.attributes else F.one_hot(labels, self.classes).float()

    def _critic(self, images: Tensor, labels: Tensor, targets: Tensor) -> Losses:
        """`targets` are those of the first images of the batch, which are translated."""
        config = self.config
        with torch.no_grad():
            fake = self._noisy(self.translate(images[: len(targets)], targets))
        images = self._noisy(images)
        real_verdicts, logits = self.critic(images, labels)
        fake_verdicts, _ = self.critic(fake, targets)
        steep = gradient_penalty(lambda x: self.critic(x, targets)[0].mean((1, 2, 3)), images[: len(targets)], fake)
        return {
            "adversarial": self.adversarial.discriminator(real_verdicts.float(), fake_verdicts.float()),
            "classification": config.classification * self._classification(logits.float(), labels),
            "penalty": config.penalty * steep,
        }

    def _generator(self, images: Tensor, labels: Tensor, targets: Tensor) -> Losses:
        config = self.config
        fake = self.translate(images, targets)
        verdicts, logits = self.critic(self._noisy(fake), targets)
        return {
            "adversarial": self.adversarial.generator(verdicts.float()),
            "classification": config.classification * self._classification(logits.float(), targets),
            "cycle": config.cycle * F.l1_loss(self.translate(fake, labels).float(), images),
        }

    def _noisy(self, images: Tensor) -> Tensor:
        return images + self.config.noise * torch.randn_like(images)

    def _classification(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy; of attributes, the binary one of each, added up."""
        if self.config.attributes:
            return F.binary_cross_entropy_with_logits(logits, labels, reduction="none").sum(1).mean()
        return F.cross_entropy(logits, labels)
