"""Initial weights as the papers draw them."""

from typing import TypeVar

from torch import nn

Convolution = TypeVar("Convolution", bound=nn.Conv2d | nn.ConvTranspose2d)


def normal_(module: nn.Module, std: float = 0.02) -> nn.Module:
    """Layer weights from N(0, std²), norm scales from N(1, std²), biases 0 (DCGAN, arXiv 1511.06434, section 4)."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(layer.weight, 0.0, std)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d | nn.InstanceNorm2d) and layer.affine:
            nn.init.normal_(layer.weight, 1.0, std)
            nn.init.zeros_(layer.bias)
    return module


def he_(module: nn.Module) -> nn.Module:
    """Layer weights from N(0, 2 / inputs), biases 0: rectified layers keep the scale (He et al., arXiv 1502.01852)."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return module


def zero(layer: Convolution) -> Convolution:
    """The layer with weights of 0: at first it says nothing, so that a residual block or a coupling is the identity."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
