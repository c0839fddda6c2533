"""Beginning with the weights of a model that was trained before, of the same or a similar network."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

Layer = nn.Conv2d | nn.ConvTranspose2d | nn.Linear | nn.BatchNorm2d | nn.InstanceNorm2d


@torch.no_grad()
def start_with(model: nn.Module, trained: nn.Module) -> tuple[str, ...]:
    """Gives `model` what `trained` knows: what has the same name and shape, and else its layers in their order.

    A layer with more outputs keeps its own weights in those; further inputs count for nothing in the outputs that are
    known, until training makes them count, so that a wider network makes at first what the narrower one made (Net2Net,
    Chen et al. 2015, arXiv 1511.05641). A convolution after a resize takes on a transposed one's, turned around: what
    it then makes is four times what that made, averaged over 2 x 2 pixels, so that a grid of two pixels is gone.

    Returns:
        What did not fit and begins anew, as sentences.

    Raises:
        ValueError: other layers, or nothing that fits.
    """
    named, known_names = model.state_dict(), trained.state_dict()
    for name, own in named.items():
        if name in known_names and own.shape == known_names[name].shape:
            own.copy_(known_names[name])
    ours, theirs = dict(_layers(model)), list(_layers(trained))
    if len(ours) != len(theirs):
        raise ValueError(f"{len(theirs)} trained layers do not fit {len(ours)}")
    left: list[str] = []
    for (name, own), (_, known) in zip(ours.items(), theirs, strict=True):
        try:
            _take_on_layer(own, known)
        except ValueError as error:
            left.append(f"{name or 'the layer'} begins anew: {error}")
    if len(left) == len(ours):
        raise ValueError(f"nothing of it fits: {left[0] if left else 'it has no layers'}")
    return tuple(left)


def _take_on_layer(own: Layer, known: Layer) -> None:
    """
    Raises:
        ValueError: another kind of layer, or one with more inputs or outputs.
    """
    weight = known.weight
    if isinstance(known, nn.ConvTranspose2d) and isinstance(own, nn.Conv2d):
        weight = weight.transpose(0, 1).flip(2, 3)
    elif type(known) is not type(own):
        raise ValueError(f"{known} is not of the kind of {own}")
    _take_on(own.weight, weight, outputs=1 if isinstance(own, nn.ConvTranspose2d) else 0)
    if known.bias is not None and own.bias is not None:
        _take_on(own.bias, known.bias)


def _layers(model: nn.Module) -> Iterator[tuple[str, Layer]]:
    return (
        (name, layer) for name, layer in model.named_modules() if isinstance(layer, Layer) and layer.weight is not None
    )


def _take_on(own: Tensor, known: Tensor, outputs: int = 0) -> None:
    """`outputs` is the axis of the layer's outputs."""
    if own.ndim != known.ndim or any(mine < theirs for mine, theirs in zip(own.shape, known.shape, strict=True)):
        raise ValueError(f"weights {tuple(known.shape)} do not fit {tuple(own.shape)}")
    own.narrow(outputs, 0, known.shape[outputs]).zero_()
    own[tuple(slice(size) for size in known.shape)] = known
