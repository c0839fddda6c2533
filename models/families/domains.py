"""What translators between two domains have in common whose discriminators look at several scales."""

from torch import Tensor, nn

from models import model
from models.card import Domain
from models.losses.adversarial import LeastSquares, PerScale
from models.model import Batch, Losses, Model
from models.nn.patchgan import MultiScalePatchGAN

OTHER: dict[Domain, Domain] = {"a": "b", "b": "a"}


class Config(model.Config):
    """The images, and the discriminators."""

    channels: int = 3
    width: int = 64
    blocks: int = 4
    discriminator_width: int = 64
    discriminator_halvings: int = 3
    scales: int = 3


class TwoDomains(Model):
    """Generators that move first and leave their images in `fakes` for the discriminators, one for each domain."""

    directions = ("AtoB", "BtoA")
    fakes: dict[Domain, Tensor]

    def __init__(self, config: Config):
        super().__init__()
        self._judging = config

    def prepare_training(self) -> None:
        config = self._judging
        shape = config.channels, config.discriminator_width, config.discriminator_halvings, config.scales
        self.judges = nn.ModuleDict({domain: MultiScalePatchGAN(*shape) for domain in OTHER})
        self.adversarial = PerScale(LeastSquares())
        for networks in self.twins():
            networks["b"].load_state_dict(networks["a"].state_dict())

    def twins(self) -> tuple[nn.ModuleDict, ...]:
        """The networks that begin equal, so that a code means the same in both domains from the first step.

        Networks that begin apart may agree on its opposite, dark for light, from which there is a way back as well.
        """
        raise NotImplementedError

    def loss(self, player: str, batch: Batch) -> Losses:
        return self._generators(batch) if player == "generators" else self._discriminators(batch)

    def _generators(self, batch: Batch) -> Losses:
        raise NotImplementedError

    def _discriminators(self, batch: Batch) -> Losses:
        return {
            domain: self.adversarial.discriminator(
                self._judged(domain, batch[domain]), self._judged(domain, self.fakes[domain])
            )
            for domain in OTHER
        }

    def _judged(self, domain: Domain, images: Tensor) -> list[Tensor]:
        return [verdicts.float() for verdicts in self.judges[domain](images)]
