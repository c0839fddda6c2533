"""Convolutional encoders and decoders for auto-encoders of small images: residual, and a cheaper strided pair."""

from torch import Tensor, nn


class _Residual(nn.Module):
    """Pre-activation residual block with group norm, which is independent of the batch. [N, C, H, W] -> the same."""

    def __init__(self, channels: int):
        super().__init__()
        self.net = nn.Sequential(
            nn.GroupNorm(8, channels), nn.SiLU(), nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(8, channels), nn.SiLU(), nn.Conv2d(channels, channels, 3, padding=1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.net(x)


class Encoder(nn.Module):
    """[N, channels, size, size] -> [N, outputs]; size a multiple of 4."""

    def __init__(self, channels: int, size: int, width: int, outputs: int):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1), _Residual(width),
            nn.Conv2d(width, width * 2, 4, stride=2, padding=1), _Residual(width * 2),
            nn.Conv2d(width * 2, width * 2, 4, stride=2, padding=1), _Residual(width * 2),
            nn.SiLU(), nn.Flatten(), nn.Linear(width * 2 * (size // 4) ** 2, outputs),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)


class Decoder(nn.Module):
    """[N, inputs] -> [N, channels, size, size], unbounded; the encoder's mirror image."""

    def __init__(self, inputs: int, channels: int, size: int, width: int):
        super().__init__()
        side = size // 4
        self.net = nn.Sequential(
            nn.Linear(inputs, width * 2 * side**2), nn.Unflatten(1, (width * 2, side, side)), _Residual(width * 2),
            nn.ConvTranspose2d(width * 2, width * 2, 4, stride=2, padding=1), _Residual(width * 2),
            nn.ConvTranspose2d(width * 2, width, 4, stride=2, padding=1), _Residual(width),
            nn.SiLU(), nn.Conv2d(width, channels, 3, padding=1),
        )  # fmt: skip

    def forward(self, codes: Tensor) -> Tensor:
        return self.net(codes)


HIDDEN = 512
"""Units of the strided pair's dense layer."""


class StridedEncoder(nn.Module):
    """[N, channels, size, size] -> [N, outputs]; size a multiple of 4. A tenth of the residual encoder's cost."""

    def __init__(self, channels: int, size: int, width: int, outputs: int):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.SiLU(),
            nn.Conv2d(width, width * 2, 4, stride=2, padding=1), nn.SiLU(),
            nn.Flatten(), nn.Linear(width * 2 * (size // 4) ** 2, HIDDEN), nn.SiLU(),
            nn.Linear(HIDDEN, outputs),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)


class StridedDecoder(nn.Module):
    """[N, inputs] -> [N, channels, size, size], unbounded; the encoder's mirror image."""

    def __init__(self, inputs: int, channels: int, size: int, width: int):
        super().__init__()
        side = size // 4
        self.net = nn.Sequential(
            nn.Linear(inputs, HIDDEN), nn.SiLU(),
            nn.Linear(HIDDEN, width * 2 * side**2), nn.SiLU(), nn.Unflatten(1, (width * 2, side, side)),
            nn.ConvTranspose2d(width * 2, width, 4, stride=2, padding=1), nn.SiLU(),
            nn.ConvTranspose2d(width, channels, 6, stride=2, padding=2),
        )  # fmt: skip

    def forward(self, codes: Tensor) -> Tensor:
        return self.net(codes)
