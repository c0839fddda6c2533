"""Where in a checkpoint the weights of a generator are: alone, or among what a training keeps beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from importing.errors import NotImportable
from importing.files.tree import Tree

State = dict[str, Tensor]
"""Tensors by name, as `state_dict` gives them."""

_AVERAGED = (
    "params_ema", "g_ema", "G_ema", "netG_ema", "generator_ema", "ema_generator", "ema_model", "model_ema",
    "ema_state_dict", "state_dict_ema", "ema",
)  # fmt: skip
"""What the exponential moving average of the weights is called, which is what people use."""
_GENERATORS = (
    "params", "generator", "netG", "net_g", "G", "g", "gen", "state_dict", "model_state_dict", "model", "network",
    "net", "weights",
)  # fmt: skip
"""What weights are called that are trained."""
_WRAPPERS = ("module.", "_orig_mod.")
"""What DataParallel and torch.compile put before all names."""
_OTHERS = ("optim", "lr_sched", "scheduler", "callbacks", "loops", "hyper_parameters", "discriminator", "netD")
_DEEPEST = 4


@dataclass(frozen=True)
class Candidate:
    """Weights of one network, perhaps."""

    state: State
    told: tuple[str, ...] = ()
    """Where in the file they are, and what was left out, in words."""


def candidates(tree: Tree, key: str = "", strip: str = "") -> list[Candidate]:
    """What in a checkpoint may be a generator, the likeliest first: averaged weights before those that were trained.

    Args:
        key: where the weights are, `state_dict` or `models.generator`; they are looked for if it is empty.
        strip: what the names begin with that matter, and what is taken off them; the others are left out.

    Raises:
        NotImportable: there are no tensors by name, not under this key, or none with this prefix.
    """
    found = [_unwrapped(each) for each in _under(tree, key)]
    if strip:
        return [_stripped(each, strip) for each in found[:1]]
    return [each for outer in found for each in (outer, *_parts(outer))]


def _under(tree: Tree, key: str) -> list[Candidate]:
    if key:
        return [Candidate(_checked(_descend(tree, key)), (f"the weights under {key}",))]
    if not isinstance(tree, Mapping) or not tree:
        raise NotImportable(f"it holds {type(tree).__name__}, not a state dict: tensors by name")
    if any(isinstance(value, Tensor) for value in tree.values()):
        return [Candidate(_checked(tree))]
    states = dict(_states(tree, ()))
    if not states:
        held = ", ".join(f"{name!r}" for name in list(tree)[:5])
        raise NotImportable(f"it holds no state dict, tensors by name, but {held}")
    ordered = sorted(states, key=lambda path: (*_rank(path), len(path)))
    found = []
    for path in ordered:
        others = [".".join(other) for other in ordered if other != path]
        left = f"; left out: {', '.join(others[:4])}" if others else ""
        averaged = ", which are averaged," if path[-1] in _AVERAGED else ""
        found.append(Candidate(_checked(states[path]), (f"the weights{averaged} under {'.'.join(path)}{left}",)))
    return [*found, *_together(states)]


def _together(states: Mapping[tuple[str, ...], Mapping]) -> Iterator[Candidate]:
    """The states of one network that is saved in parts: those that stand beside each other, `a` and `b`."""
    beside: dict[tuple[str, ...], State] = {}
    for path, state in states.items():
        beside.setdefault(path[:-1], {}).update({f"{path[-1]}.{name}": value for name, value in state.items()})
    for path, state in beside.items():
        if len({name.split(".")[0] for name in state}) > 1:
            parts = sorted({name.split(".")[0] for name in state})
            yield Candidate(_checked(state), (f"the weights of {', '.join(['.'.join((*path, p)) for p in parts])}",))


def _states(tree: Mapping, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Mapping]]:
    """What is tensors by name, with where it stands."""
    for name, value in tree.items():
        if not isinstance(name, str) or not isinstance(value, Mapping) or not value or name.startswith(_OTHERS):
            continue
        if all(isinstance(each, Tensor) for each in value.values()):
            yield (*path, name), value
        elif len(path) < _DEEPEST:
            yield from _states(value, (*path, name))


def _rank(path: tuple[str, ...]) -> tuple[int, int]:
    for rank, names in enumerate((_AVERAGED, _GENERATORS)):
        for name in path[::-1]:
            if name in names:
                return rank, names.index(name)
    return 2, 0


def _descend(tree: Tree, key: str) -> Mapping:
    node, passed = tree, []
    for name in key.split("."):
        if not isinstance(node, Mapping) or name not in node:
            held = ", ".join(map(str, list(node)[:8])) if isinstance(node, Mapping) else type(node).__name__
            raise NotImportable(f"there is no {name} in {'.'.join(passed) or 'it'}, but {held}")
        node, passed = node[name], [*passed, name]
    if not isinstance(node, Mapping):
        raise NotImportable(f"{key} in it is {type(node).__name__}, not a state dict: tensors by name")
    return node


def _checked(state: Mapping) -> State:
    """Tensors by name, of finite numbers, floats in single precision.

    Raises:
        NotImportable: there is something else in it.
    """
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise NotImportable(
                f"{name!r} in it is {type(value).__name__}; only a state dict, tensors by name, is taken"
            )
    return {name: value.float() if value.is_floating_point() else value for name, value in state.items()}


def check_finite(state: State) -> None:
    """
    Raises:
        NotImportable: a tensor has numbers that are not finite.
    """
    for name, value in state.items():
        if value.is_complex() or not torch.isfinite(value).all():
            raise NotImportable(f"{name} in it is no plain tensor of finite numbers")


def _unwrapped(found: Candidate) -> Candidate:
    """Without what DataParallel, torch.compile and torch's AveragedModel put around a state."""
    state = {name: value for name, value in found.state.items() if name != "n_averaged"}
    while wrapper := next((each for each in _WRAPPERS if state and all(name.startswith(each) for name in state)), None):
        state = {name.removeprefix(wrapper): value for name, value in state.items()}
    state = {name.replace("._orig_mod.", "."): value for name, value in state.items()}
    return Candidate(state, found.told)


def _stripped(found: Candidate, prefix: str) -> Candidate:
    state = {name.removeprefix(prefix): value for name, value in found.state.items() if name.startswith(prefix)}
    if not state:
        raise NotImportable(f"no name in it begins with {prefix!r}; it begins with {', '.join(list(found.state)[:3])}")
    return _unwrapped(Candidate(state, (*found.told, f"of the names those that begin with {prefix}")))


def _parts(found: Candidate) -> Iterator[Candidate]:
    """Networks of a module that holds several, as Lightning's do: `generator.…` beside `discriminator.…`."""
    parts = {name.split(".")[0] for name in found.state if "." in name}
    for part in sorted(parts, key=lambda part: (*_rank((part,)), part)):
        if not part.isdigit() and not part.startswith(_OTHERS):
            yield _stripped(found, f"{part}.")
