"""The tensors of a state by the layers that they belong to, and how they get into a network of ours."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from importing.errors import NotImportable
from importing.states import State
from pictures.formats import Channels, channels_of

_PARTS = {
    "parametrizations.weight.original": "weight",
    "parametrizations.weight.0._u": "u",
    "parametrizations.weight.0._v": "v",
    "weight_orig": "weight",
    "weight_u": "u",
    "weight_v": "v",
}
"""Both spellings of torch's spectral norm; other tensors of a layer are called by the ends of their names."""
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)

Layer = dict[str, Tensor]
"""The tensors of one layer by what they are: `weight`, `bias`, `running_mean`, `u` and `v` of a spectral norm …"""
Layers = dict[str, Layer]
"""By the layers' names in the file."""


def layers_of(state: State) -> Layers:
    """The tensors by layer."""
    found: Layers = {}
    for name, value in state.items():
        end = next((end for end in _PARTS if name == end or name.endswith(f".{end}")), name.rpartition(".")[2])
        found.setdefault(name.removesuffix(end).removesuffix("."), {})[_PARTS.get(end, end)] = value
    return found


def names_of(layers: Layers) -> list[str]:
    """The tensors' names, those of spectral norms as if these were folded."""
    return [
        f"{layer}.{part}" if layer else part
        for layer, tensors in layers.items()
        for part in tensors
        if part not in ("u", "v")
    ]


def kernel(layers: Layers, name: str) -> Tensor:
    """The kernel of a convolution that has to be there, [out or in, in or out, height, width].

    Raises:
        NotImportable: it is not.
    """
    weight = layers.get(name, {}).get("weight")
    if weight is None or not is_kernel(weight):
        raise NotImportable(f"it has no {name}.weight, or one that is no convolution's")
    return weight


def is_kernel(tensor: Tensor | None) -> bool:
    """Whether it is the kernel of a convolution of pictures."""
    return tensor is not None and tensor.dim() == 4 and tensor.numel() > 0


def matrix(layers: Layers, name: str) -> Tensor:
    """The weight of a dense layer that has to be there, [outputs, inputs].

    Raises:
        NotImportable: it is not.
    """
    weight = layers.get(name, {}).get("weight")
    if weight is None or weight.dim() != 2 or not weight.numel():
        raise NotImportable(f"it has no {name}.weight, or one that is no dense layer's")
    return weight


def without_statistics(layers: Layers) -> Layers:
    """Without the running statistics of norms, which old versions of torch saved for instance norms, too."""
    left_out = ("running_mean", "running_var", "num_batches_tracked")
    kept = {
        name: {part: value for part, value in layer.items() if part not in left_out} for name, layer in layers.items()
    }
    return {name: layer for name, layer in kept.items() if layer}


def channels(weight: Tensor, dimension: int) -> Channels:
    """The channels of pictures that a kernel takes or makes.

    Raises:
        NotImportable: no picture has so many.
    """
    try:
        return channels_of(weight.shape[dimension])
    except ValueError as error:
        raise NotImportable(str(error)) from None


def side_of(numbers: int) -> tuple[int, Channels]:
    """The side and channels of the square picture that has so many numbers. Raises `NotImportable` if none has."""
    for count in (1, 3):
        side = math.isqrt(numbers // count)
        if side and side**2 * count == numbers:
            return side, channels_of(count)
    raise NotImportable(f"no square picture has {numbers} numbers")


def fitted(network: nn.Module, layers: Layers, places: Mapping[str, str] | None = None, biases: bool = True) -> State:
    """The state of a network of ours, each spectral norm folded into its weight.

    Args:
        network: what it is for; on torch's meta device nothing is allocated for it.
        places: the layers' names in the file by the network's modules; the same names if absent.
        biases: whether each has to be in the file; else those that are not are 0.

    Raises:
        NotImportable: a tensor is missing, left over or of another shape.
    """
    state: State = {}
    named = {name: places.get(name, "") if places is not None else name for name, _ in network.named_modules()}
    if unknown := [name for name in layers if name not in named.values()]:
        raise NotImportable(f"it has layers that such a network has not: {', '.join(unknown[:3])}")
    for ours, module in network.named_modules():
        name = named[ours]
        for part, wanted in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            if part in module._non_persistent_buffers_set:
                continue
            given = _given(layers.get(name, {}), part, isinstance(module, _TRANSPOSED), biases)
            if given is None:
                raise NotImportable(f"it has no {f'{name}.' if name else ''}{part}")
            if given.shape != wanted.shape:
                raise NotImportable(f"its {name}.{part} is {_shape(given)}, and {_shape(wanted)} in such a network")
            state[f"{ours}.{part}" if ours else part] = given
        if foreign := layers.get(name, {}).keys() - _known(module):
            raise NotImportable(f"it has a {name}.{min(foreign)}, which such a network has not")
    return state


def _known(module: nn.Module) -> set[str]:
    own = {name for name, _ in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]}
    return own | ({"u", "v"} if "weight" in own else set())


def _given(layer: Layer, part: str, transposed: bool, biases: bool) -> Tensor | None:
    """A parameter or buffer as the file has it; counters do not matter."""
    if part == "weight" and "weight" in layer:
        return _folded(layer, transposed)
    if not biases and part == "bias" and part not in layer and layer.get("weight", torch.empty(())).dim():
        weight = layer["weight"]
        return weight.new_zeros(weight.shape[1 if transposed else 0])
    return torch.tensor(0) if part == "num_batches_tracked" else layer.get(part)


def _folded(layer: Layer, transposed: bool) -> Tensor:
    """The weight, over its spectral norm u' W v if the file has that apart (arXiv 1802.05957, section 2.1).

    W has a row for each output channel, which a transposed convolution has in its second dimension.
    """
    weight = layer["weight"]
    if "u" not in layer and "v" not in layer:
        return weight
    if weight.dim() < 2:
        raise NotImportable("it has a spectral norm of something that is no convolution")
    rows = (weight.transpose(0, 1) if transposed else weight).flatten(1)
    u, v = layer.get("u"), layer.get("v")
    if u is None or v is None or (*u.shape, *v.shape) != tuple(rows.shape):
        raise NotImportable("the vectors of one of its spectral norms are missing or do not fit")
    sigma = u @ rows @ v
    if not sigma:
        raise NotImportable("one of its spectral norms is zero")
    return weight / sigma


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a number"
