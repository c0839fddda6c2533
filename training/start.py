"""Beginning with the weights of a model that was trained before, of the same or a similar network."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

Layer = nn.Conv2d | nn.ConvTranspose2d | nn.Linear | nn.BatchNorm2d | nn.InstanceNorm2d


@torch.no_grad()
def start_with(model: nn.Module, trained: nn.Module) -> None:
    """Gives `model` what `trained` knows: its layers in their order.

    A layer with more outputs keeps its own weights in those; further inputs count for nothing in the outputs that are
    known, until training makes them count, so that a wider network makes at first what the narrower one made (Net2Net,
    Chen et al. 2015, arXiv 1511.05641). A convolution after a resize takes on a transposed one's, turned around: what
    it then makes is four times what that made, averaged over 2 x 2 pixels, so that a grid of two pixels is gone.

    Raises:
        ValueError: other layers, or a layer with fewer inputs or outputs.
    """
    ours, theirs = list(_layers(model)), list(_layers(trained))
    if len(ours) != len(theirs):
        raise ValueError(f"{len(theirs)} trained layers do not fit {len(ours)}")
    for own, known in zip(ours, theirs, strict=True):
        weight = known.weight
        if isinstance(known, nn.ConvTranspose2d) and isinstance(own, nn.Conv2d):
            weight = weight.transpose(0, 1).flip(2, 3)
        elif type(known) is not type(own):
            raise ValueError(f"{known} is not of the kind of {own}")
        transposed = isinstance(own, nn.ConvTranspose2d)
        _take_on(own.weight, weight, outputs=1 if transposed else 0)
        if known.bias is not None and own.bias is not None:
            _take_on(own.bias, known.bias)


def _layers(model: nn.Module) -> Iterator[Layer]:
    return (layer for layer in model.modules() if isinstance(layer, Layer) and layer.weight is not None)


def _take_on(own: Tensor, known: Tensor, outputs: int = 0) -> None:
    """`outputs` is the axis of the layer's outputs."""
    if any(mine < theirs for mine, theirs in zip(own.shape, known.shape, strict=True)):
        raise ValueError(f"weights {tuple(known.shape)} do not fit {tuple(own.shape)}")
    own.narrow(outputs, 0, known.shape[outputs]).zero_()
    own[tuple(slice(size) for size in known.shape)] = known
