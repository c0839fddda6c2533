"""One latent space for two domains. `unit` is Liu et al. 2017 (arXiv 1703.00848): a VAE and a GAN for each domain.

A translation is the code of one domain decoded into the other. The last block of both encoders and the first of both
decoders are one and the same, so that a code means the same thing in both domains.
"""

from collections import defaultdict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.capabilities import Encoder, Translator
from models.card import SOURCE_AND_TARGET, Direction, Domain, Task
from models.families import domains
from models.families.domains import OTHER, TwoDomains
from models.losses.total import total
from models.model import Batch, Losses, Player, register
from models.nn.content_style import ContentEncoder, Upsampler
from models.nn.resnet import ResidualBlock


@register("unit")
class UNIT(TwoDomains, Encoder, Translator):
    """Two encoders, two generators and the blocks that they share. Codes are maps, normal around what is encoded."""

    class Config(domains.Config):
        """`blocks` counts those of each encoder and generator, with the shared one."""

        size: int = 64
        reconstruction: float = 10.0
        cycle: float = 10.0
        kl: float = 0.01
        kl_cycle: float = 0.01

    options = {Task.ENCODE: ("direction",)}

    def __init__(self, config: Config):
        super().__init__(config)
        self.config = config
        wide, own = config.width * 4, config.blocks - 1
        self.latent_shape = (wide, config.size // 4, config.size // 4)
        encoders = {domain: ContentEncoder(config.channels, config.width, own) for domain in OTHER}
        self.encoders = nn.ModuleDict(encoders)
        self.native = encoders["a"].native
        self.shared_encoder, self.shared_generator = ResidualBlock(wide), ResidualBlock(wide)
        self.generators = nn.ModuleDict(
            {
                domain: nn.Sequential(
                    *[ResidualBlock(wide) for _ in range(own)], Upsampler(config.channels, config.width)
                )
                for domain in OTHER
            }
        )

    def twins(self) -> tuple[nn.ModuleDict, ...]:
        return self.encoders, self.generators

    def encode(self, images: Tensor, direction: Direction = "AtoB") -> Tensor:
        """The codes of images of the domain that `direction` leads from."""
        return self._encode(images, SOURCE_AND_TARGET[direction][0]).float()

    def translate(self, images: Tensor, direction: Direction) -> Tensor:
        source, target = SOURCE_AND_TARGET[direction]
        return self._generate(self._encode(images, source), target)

    def _encode(self, images: Tensor, domain: Domain) -> Tensor:
        return self.shared_encoder(self.encoders[domain](images))

    def _generate(self, codes: Tensor, domain: Domain) -> Tensor:
        return self.generators[domain](self.shared_generator(codes))

    def players(self) -> tuple[Player, ...]:
        sides = (self.encoders, self.shared_encoder, self.shared_generator, self.generators)
        return (Player("generators", sides), Player("discriminators", (self.judges,)))

    def _generators(self, batch: Batch) -> Losses:
        """Equations 4 to 6 of the paper, for both domains."""
        config = self.config
        terms: defaultdict[str, list[Tensor]] = defaultdict(list)
        self.fakes = {}
        for source, target in OTHER.items():
            images = batch[source]
            codes = self._encode(images, source)
            drawn = codes + torch.randn_like(codes)
            fake = self._generate(drawn, target)
            codes_back = self._encode(fake, target)
            cycled = self._generate(codes_back + torch.randn_like(codes_back), source)
            self.fakes[target] = fake.detach()
            found = {
                "adversarial": self.adversarial.generator(self._judged(target, fake)),
                "reconstruction": config.reconstruction * F.l1_loss(self._generate(drawn, source).float(), images),
                "kl": config.kl * _kl(codes),
                "cycle": config.cycle * F.l1_loss(cycled.float(), images),
                "kl_cycle": config.kl_cycle * _kl(codes_back),
            }
            for name, term in found.items():
                terms[name].append(term)
        return {name: total(both) for name, both in terms.items()}


def _kl(codes: Tensor) -> Tensor:
    """KL(N(codes, 1) || N(0, 1)) = ½ Σ codes², twice and per number, which is what the authors' weights are for."""
    return codes.float().square().mean()
