"""A discriminator that is an auto-encoder (EBGAN, Zhao et al. 2016, arXiv 1609.03126, section 2.2)."""

from torch import Tensor, nn

from models.nn.autoencoder import StridedDecoder, StridedEncoder


class Discriminator(nn.Module):
    """[N, channels, size, size] -> energies ‖x - Dec(Enc(x))‖ [N], low for images like those that it was shown.

    `features`: the codes [N, code].
    """

    def __init__(self, channels: int, size: int, width: int, code: int):
        super().__init__()
        self.features = StridedEncoder(channels, size, width, code)
        self.decoder = StridedDecoder(code, channels, size, width)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return (images - self.decoder(self.features(images))).float().flatten(1).norm(dim=1)
