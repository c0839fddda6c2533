"""A small convolutional classifier whose penultimate features serve as a judge of generated digits."""

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
