"""Generators laid out as the reference PyTorch code of pix2pix and CycleGAN lays them out: the least that saves
checkpoints of the same names and shapes, and answers as those do. Nothing of `models` is used."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

NORMS = {
    "instance": partial(nn.InstanceNorm2d, affine=False, track_running_stats=False),
    "batch": partial(nn.BatchNorm2d, affine=True, track_running_stats=True),
    "none": lambda features: nn.Identity(),
}
PADS = {"reflect": [nn.ReflectionPad2d(1)], "replicate": [nn.ReplicationPad2d(1)], "zero": []}


class Block(nn.Module):
    """A residual block."""

    def __init__(self, width: int, norm: str, dropout: bool, padding: str):
        super().__init__()
        layers = []
        for convolution in range(2):
            layers += PADS[padding]
            layers += [nn.Conv2d(width, width, 3, padding=int(padding == "zero"), bias=norm == "instance")]
            layers += [NORMS[norm](width)]
            if convolution == 0:
                layers += [nn.ReLU(), *([nn.Dropout(0.5)] if dropout else [])]
        self.conv_block = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


class ResNet(nn.Module):
    """resnet_6blocks, resnet_9blocks."""

    def __init__(self, blocks=2, width=4, norm="instance", dropout=False, padding="reflect", takes=3, makes=3):
        super().__init__()
        bias = norm == "instance"
        layers = [nn.ReflectionPad2d(3), nn.Conv2d(takes, width, 7, bias=bias), NORMS[norm](width), nn.ReLU()]
        for wide in (width, width * 2):
            layers += [nn.Conv2d(wide, wide * 2, 3, 2, 1, bias=bias), NORMS[norm](wide * 2), nn.ReLU()]
        layers += [Block(width * 4, norm, dropout, padding) for _ in range(blocks)]
        for wide in (width * 4, width * 2):
            layers += [nn.ConvTranspose2d(wide, wide // 2, 3, 2, 1, 1, bias=bias), NORMS[norm](wide // 2), nn.ReLU()]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, makes, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class Level(nn.Module):
    """One halving and doubling of a U-Net, around `inner`."""

    def __init__(self, outer, features, inner=None, takes=None, outermost=False, norm="batch", dropout=False):
        super().__init__()
        self.outermost = outermost
        bias = norm == "instance"
        down = nn.Conv2d(takes or outer, features, 4, 2, 1, bias=bias)
        joined = features if inner is None else features * 2
        up = nn.ConvTranspose2d(joined, outer, 4, 2, 1, bias=bias or outermost)
        if outermost:
            layers = [down, inner, nn.ReLU(), up, nn.Tanh()]
        elif inner is None:
            layers = [nn.LeakyReLU(0.2), down, nn.ReLU(), up, NORMS[norm](outer)]
        else:
            layers = [nn.LeakyReLU(0.2), down, NORMS[norm](features), inner, nn.ReLU(), up, NORMS[norm](outer)]
            layers += [nn.Dropout(0.5)] if dropout else []
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x) if self.outermost else torch.cat([x, self.model(x)], 1)


class UNet(nn.Module):
    """unet_128 (7 halvings), unet_256 (8)."""

    def __init__(self, halvings=5, width=4, norm="batch", dropout=True, takes=3, makes=3):
        super().__init__()
        level = Level(width * 8, width * 8, norm=norm)
        for _ in range(halvings - 5):
            level = Level(width * 8, width * 8, level, norm=norm, dropout=dropout)
        for factor in (4, 2, 1):
            level = Level(width * factor, width * factor * 2, level, norm=norm)
        self.model = Level(makes, width, level, takes=takes, outermost=True, norm=norm)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


def trained(network: nn.Module, seed: int = 0) -> nn.Module:
    """With weights and statistics as unlike each other as training leaves them, in evaluation mode."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
            if name.endswith(("running_var", "running_mean")) or tensor.dim() == 1:
                positive = not name.endswith(("bias", "running_mean"))
                tensor.copy_(torch.rand(tensor.shape, generator=random) * 0.5 + (0.75 if positive else -0.25))
            elif tensor.is_floating_point():
                tensor.copy_(torch.randn(tensor.shape, generator=random) / tensor[0].numel() ** 0.5)
    return network.eval()
