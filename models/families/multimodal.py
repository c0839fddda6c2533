"""Translations in many styles: what an image shows is kept, how it shows it is drawn, told or taken from another image.

- `munit`: Huang et al. 2018 (arXiv 1804.04732): images, contents and styles are each found again after a translation
- `drit`: Lee et al. 2018 (arXiv 1808.00948): a discriminator keeps the domain out of the content, and two translations
  with swapped styles lead back to where they began. Styles enter as MUNIT's do
"""

from collections import defaultdict
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.capabilities import StyledTranslator
from models.card import SOURCE_AND_TARGET, Direction, Domain
from models.families import domains
from models.families.domains import OTHER, TwoDomains
from models.losses.likelihood import kl_to_standard_normal
from models.losses.total import total
from models.model import Batch, Losses, Player, register
from models.nn import normal
from models.nn.content_style import ContentEncoder, StyledDecoder, StyleEncoder
from models.nn.init import normal_
from models.nn.resnet import ResidualBlock


class Config(domains.Config):
    """The networks of either."""

    style: int = 8


class ContentStyle(TwoDomains, StyledTranslator):
    """For each domain an encoder of content, one of styles, and a decoder of both. Styles are normal."""

    def __init__(self, config: Config, outputs: int):
        """
        Args:
            outputs: numbers that a style encoder says of an image.
        """
        super().__init__(config)
        self.latent_shape = (config.style,)
        shape = config.channels, config.width
        encoders = {domain: ContentEncoder(*shape, config.blocks) for domain in OTHER}
        self.contents = nn.ModuleDict(encoders)
        self.native = encoders["a"].native
        self.styles = nn.ModuleDict({domain: StyleEncoder(*shape, outputs) for domain in OTHER})
        self.decoders = nn.ModuleDict({domain: StyledDecoder(*shape, config.blocks, config.style) for domain in OTHER})

    def twins(self) -> tuple[nn.ModuleDict, ...]:
        return self.contents, self.decoders

    def translate(self, images: Tensor, direction: Direction, latent: Tensor) -> Tensor:
        source, target = SOURCE_AND_TARGET[direction]
        return self.decoders[target](self.content(images, source), latent)

    def style(self, images: Tensor, direction: Direction) -> Tensor:
        """The styles of images of the domain that `direction` leads to, [N, style]."""
        return self.styles[SOURCE_AND_TARGET[direction][1]](images).float()[:, : self.latent_shape[0]]

    def content(self, images: Tensor, domain: Domain) -> Tensor:
        """What images of a domain show, [N, width * 4, h, w]."""
        return self.contents[domain](images)

    def players(self) -> tuple[Player, ...]:
        return (
            Player("generators", (self.contents, self.styles, self.decoders)),
            Player("discriminators", (self.judges,)),
        )

    def _drawn(self, images: Tensor) -> dict[Domain, Tensor]:
        return {domain: torch.randn(len(images), *self.latent_shape, device=images.device) for domain in OTHER}


@register("munit")
class MUNIT(ContentStyle):
    """The generators' terms are equations 2 to 5 of the paper."""

    class Config(Config):
        image: float = 10.0
        content: float = 1.0
        code: float = 1.0

    def __init__(self, config: Config):
        super().__init__(config, outputs=config.style)
        self.config = config

    def _generators(self, batch: Batch) -> Losses:
        config, drawn = self.config, self._drawn(batch["a"])
        terms: defaultdict[str, list[Tensor]] = defaultdict(list)
        self.fakes = {}
        for source, target in OTHER.items():
            images = batch[source]
            content, style = self.content(images, source), self.styles[source](images)
            fake = self.decoders[target](content, drawn[target])
            rebuilt = self.decoders[source](content, style)
            self.fakes[target] = fake.detach()
            terms["adversarial"].append(self.adversarial.generator(self._judged(target, fake)))
            terms["image"].append(config.image * F.l1_loss(rebuilt.float(), images))
            terms["content"].append(config.content * F.l1_loss(self.content(fake, target).float(), content.float()))
            terms["code"].append(config.code * F.l1_loss(self.styles[target](fake).float(), drawn[target]))
        return {name: total(both) for name, both in terms.items()}


@register("drit")
class DRIT(ContentStyle):
    """A third player tells domains apart by their contents, three turns for each of the generators'."""

    class Config(Config):
        content_adversarial: float = 1.0
        cross_cycle: float = 10.0
        reconstruction: float = 10.0
        kl: float = 0.01
        code: float = 10.0
        content_turns: int = 3

    def __init__(self, config: Config):
        super().__init__(config, outputs=config.style * 2)
        self.config = config
        self.shared = ResidualBlock(config.width * 4)

    def content(self, images: Tensor, domain: Domain) -> Tensor:
        return self.shared(self.contents[domain](images))

    def prepare_training(self) -> None:
        super().prepare_training()
        wide = self.config.width * 4
        judge = nn.Sequential(
            nn.Conv2d(wide, wide, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(wide, wide, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True),
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(wide, 1, 1),
        )  # fmt: skip
        self.content_judge = normal_(judge)

    def players(self) -> tuple[Player, ...]:
        content = Player("content_discriminator", (self.content_judge,), turns=self.config.content_turns)
        generators, discriminators = super().players()
        return (content, Player("generators", (*generators.modules, self.shared)), discriminators)

    def loss(self, player: str, batch: Batch) -> Losses:
        if player == "content_discriminator":
            with torch.no_grad():
                contents: dict[Domain, Tensor] = {domain: self.content(batch[domain], domain) for domain in OTHER}
            return {"adversarial": self._domain_entropy(contents, {"a": 1.0, "b": 0.0})}
        return super().loss(player, batch)

    def _generators(self, batch: Batch) -> Losses:
        config, drawn = self.config, self._drawn(batch["a"])
        contents: dict[Domain, Tensor] = {domain: self.content(batch[domain], domain) for domain in OTHER}
        posteriors = {domain: self._posterior(batch[domain], domain) for domain in OTHER}
        styles = {domain: normal.drawn(*posterior) for domain, posterior in posteriors.items()}
        swapped = {target: self.decoders[target](contents[OTHER[target]], styles[target]) for target in OTHER}
        terms: defaultdict[str, list[Tensor]] = defaultdict(list)
        terms["content_adversarial"].append(
            config.content_adversarial * self._domain_entropy(contents, {"a": 0.5, "b": 0.5})
        )
        self.fakes = {}
        for domain, other in OTHER.items():
            images = batch[domain]
            fake = self.decoders[domain](contents[other], drawn[domain])
            rebuilt = self.decoders[domain](contents[domain], styles[domain])
            again = normal.drawn(*self._posterior(swapped[domain], domain))
            returned = self.decoders[domain](self.content(swapped[other], other), again)
            judged = torch.cat([fake, swapped[domain]])
            self.fakes[domain] = judged.detach()
            terms["adversarial"].append(self.adversarial.generator(self._judged(domain, judged)))
            terms["reconstruction"].append(config.reconstruction * F.l1_loss(rebuilt.float(), images))
            terms["cross_cycle"].append(config.cross_cycle * F.l1_loss(returned.float(), images))
            terms["kl"].append(config.kl * kl_to_standard_normal(*posteriors[domain]).mean())
            terms["code"].append(config.code * F.l1_loss(self._posterior(fake, domain)[0], drawn[domain]))
        return {name: total(both) for name, both in terms.items()}

    def _posterior(self, images: Tensor, domain: Domain) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the style of images, [N, style] each."""
        return normal.moments(self.styles[domain](images))

    def _domain_entropy(self, contents: Mapping[Domain, Tensor], aims: Mapping[Domain, float]) -> Tensor:
        """Cross-entropy of the content's domain, or of not knowing it (aims of a half)."""
        logits = {domain: self.content_judge(content).float().flatten() for domain, content in contents.items()}
        return total(
            F.binary_cross_entropy_with_logits(logits[domain], torch.full_like(logits[domain], aim))
            for domain, aim in aims.items()
        )
