"""Semi-supervised learning with a GAN: `improved-gan` is Salimans et al. 2016 (arXiv 1606.03498, section 5).

The paper's other techniques are settings of any `models.families.gan`: `kernels` for minibatch discrimination (section
3.2), `smoothing` for one-sided label smoothing (section 3.4).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from models.capabilities import Classifier
from models.families.gan import GAN
from models.losses.matching import feature_matching
from models.model import Batch, Losses, register
from models.nn import perceptron


@register("improved-gan")
class ImprovedGAN(GAN, Classifier):
    """A discriminator of K classes and one more for what is generated; the generator matches the features it sees.

    The last class's logit is fixed at 0, so D(x) = Z/(Z + 1), Z the sum of the others' exponentials, and log Z is the
    logit of being real. The discriminator ships, as a classifier that learned from few labels. It has no batch norm,
    whose statistics would tell real batches from generated ones.
    """

    class Config(GAN.Config):
        kinds: int = 10
        """K."""

    def __init__(self, config: Config):
        super().__init__(config)
        self.discriminator = perceptron.NoisyEncoder(config.channels, config.size, config.kinds)

    def prepare_training(self) -> None:
        """Nothing: the discriminator is there."""

    def classify(self, images: Tensor) -> Tensor:
        """[N, C, H, W] in [-1, 1] -> logits [N, kinds]."""
        return self.discriminator(images)

    def _discriminator(self, batch: Batch) -> Losses:
        with torch.no_grad():
            made = self._made(batch)
        real, fake = self.classify(batch["images"]).float(), self.classify(made).float()
        known = self.classify(batch["known"]).float()
        return {
            "adversarial": self.adversarial.discriminator(real.logsumexp(1), fake.logsumexp(1)),
            "classes": F.cross_entropy(known, batch["labels"]),
        }

    def _generator(self, batch: Batch) -> Losses:
        with torch.no_grad():
            real = self.discriminator.features(batch["images"])
        return {"features": feature_matching(real, self.discriminator.features(self._made(batch)))}
