"""A small network after VGG (Simonyan and Zisserman 2014, arXiv 1409.1556), whose layers serve as features."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class VGG(nn.Module):
    """[N, channels, H, W] in [-1, 1] -> logits [N, classes]. Takes any size from 16 pixels on.

    Stages of 3 x 3 convolutions, each followed by a batch norm and a ReLU; between the stages the mean of 2 x 2 pixels,
    which gives smoother gradients than the maximum (Gatys et al., arXiv 1508.06576, section "Methods"). The layers are
    named as VGG's are: `relu3_1` is the first of the third stage. Borders are repeated: zeros beyond them would be seen
    as lines.

    Args:
        classes: 0 for the layers alone.
        widths: channels of each stage.
        depths: convolutions of each stage.
    """

    def __init__(self, channels: int, classes: int, widths: Sequence[int], depths: Sequence[int]):
        super().__init__()
        self.layers = nn.ModuleDict()
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True), start=1):
            for place in range(1, depth + 1):
                self.layers[f"relu{stage}_{place}"] = nn.Sequential(
                    nn.Conv2d(channels, width, 3, padding=1, padding_mode="replicate", bias=False),
                    nn.BatchNorm2d(width),
                    nn.ReLU(inplace=True),
                )
                channels = width
        self.pool = nn.AvgPool2d(2)
        self.head = nn.Linear(channels, classes) if classes else None

    def features(self, images: Tensor, names: Iterable[str]) -> dict[str, Tensor]:
        """The activations [N, C, h, w] of the named layers; nothing above the last of them is computed."""
        wanted, found, x = set(names), {}, images
        for name, layer in self.layers.items():
            if len(found) == len(wanted):
                break
            x = layer(self.pool(x) if name.endswith("_1") and name != "relu1_1" else x)
            if name in wanted:
                found[name] = x
        return found

    def forward(self, images: Tensor) -> Tensor:
        if self.head is None:
            raise ValueError("a network of 0 classes gives no logits, but features")
        last = list(self.layers)[-1]
        return self.head(self.features(images, [last])[last].mean((2, 3)))

    def fold(self) -> VGG:
        """Puts the batch norms into the convolutions before them, in place. Of a network in evaluation mode."""
        for layer in self.layers.values():
            if isinstance(layer, nn.Sequential):
                convolution, norm, _ = layer
                if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    layer[0], layer[1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()
        return self
