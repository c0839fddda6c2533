"""Small convolutional classifiers whose penultimate features serve as judges of generated images."""

from torch import Tensor, nn


class ConvClassifier(nn.Module):
    """[N, channels, size, size] in [-1, 1] -> logits [N, classes]; `features`: [N, width * 4] before the last layer."""

    def __init__(self, channels: int, width: int, classes: int):
        super().__init__()

        def stage(inputs: int, outputs: int) -> list[nn.Module]:
            layers: list[nn.Module] = []
            for first, last in ((inputs, outputs), (outputs, outputs)):
                layers += [
                    nn.Conv2d(first, last, 3, padding=1, bias=False),
                    nn.BatchNorm2d(last),
                    nn.ReLU(inplace=True),
                ]
            return layers

        self.features = nn.Sequential(
            *stage(channels, width), nn.MaxPool2d(2), nn.Dropout(0.1),
            *stage(width, width * 2), nn.MaxPool2d(2), nn.Dropout(0.2),
            *stage(width * 2, width * 4), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )  # fmt: skip
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(width * 4, classes))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class _Residual(nn.Module):
    """[N, C, H, W] -> the same."""

    def __init__(self, channels: int):
        super().__init__()
        self.net = nn.Sequential(_block(channels, channels), _block(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.net(x)


class ResNetClassifier(nn.Module):
    """[N, channels, size, size] -> logits [N, classes]; `features`: [N, width * 8]. Most of its work is at half size.

    Residual blocks as in He et al. 2015 (arXiv 1512.03385), few and after pooling, for training in minutes.
    """

    def __init__(self, channels: int, width: int, classes: int):
        super().__init__()
        self.features = nn.Sequential(
            _block(channels, width),
            _block(width, width * 2), nn.MaxPool2d(2), _Residual(width * 2),
            _block(width * 2, width * 4), nn.MaxPool2d(2),
            _block(width * 4, width * 8), nn.MaxPool2d(2), _Residual(width * 8),
            nn.AdaptiveMaxPool2d(1), nn.Flatten(),
        )  # fmt: skip
        self.head = nn.Linear(width * 8, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))
