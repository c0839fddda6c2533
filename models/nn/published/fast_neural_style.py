"""The network of fast neural style in PyTorch's examples (after Johnson et al. 2016, arXiv 1603.08155)."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from models.nn.native import native
from models.nn.published.network import NetworkConfig

BLOCKS = 5


class Config(NetworkConfig):
    """Of a `TransformerNet`."""

    network: Literal["fast-neural-style"] = "fast-neural-style"
    width: int = 32

    def build(self) -> TransformerNet:
        """The network."""
        return TransformerNet(self)


class TransformerNet(nn.Module):
    """Images [N, 3, H, W] in [-1, 1] -> the same; H and W multiples of 4. Inside, values are of 0 to 255."""

    channels = 3

    def __init__(self, config: Config):
        super().__init__()
        width = config.width
        self.conv1, self.in1 = _Padded(3, width, 9), _norm(width)
        self.conv2, self.in2 = _Padded(width, width * 2, 3, 2), _norm(width * 2)
        self.conv3, self.in3 = _Padded(width * 2, width * 4, 3, 2), _norm(width * 4)
        for block in range(1, BLOCKS + 1):
            self.add_module(f"res{block}", _Block(width * 4))
        self.deconv1, self.in4 = _Padded(width * 4, width * 2, 3), _norm(width * 2)
        self.deconv2, self.in5 = _Padded(width * 2, width, 3), _norm(width)
        self.deconv3 = _Padded(width, 3, 9)
        self.native = native(32 * width + 200, multiple=4, least=16, default=True)

    def forward(self, images: Tensor) -> Tensor:
        x = F.relu(self.in1(self.conv1((images + 1) * 127.5)))
        x = F.relu(self.in2(self.conv2(x)))
        x = F.relu(self.in3(self.conv3(x)))
        for block in range(1, BLOCKS + 1):
            x = self.get_submodule(f"res{block}")(x)
        x = F.relu(self.in4(self.deconv1(F.interpolate(x, scale_factor=2))))
        x = F.relu(self.in5(self.deconv2(F.interpolate(x, scale_factor=2))))
        return (self.deconv3(x) / 127.5 - 1).clamp(-1, 1)


def _norm(features: int) -> nn.Module:
    return nn.InstanceNorm2d(features, affine=True)


class _Padded(nn.Module):
    def __init__(self, inputs: int, outputs: int, side: int, stride: int = 1):
        super().__init__()
        self.reflection_pad = nn.ReflectionPad2d(side // 2)
        self.conv2d = nn.Conv2d(inputs, outputs, side, stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2d(self.reflection_pad(x))


class _Block(nn.Module):
    def __init__(self, features: int):
        super().__init__()
        self.conv1, self.in1 = _Padded(features, features, 3), _norm(features)
        self.conv2, self.in2 = _Padded(features, features, 3), _norm(features)

    def forward(self, x: Tensor) -> Tensor:
        return self.in2(self.conv2(F.relu(self.in1(self.conv1(x))))) + x
