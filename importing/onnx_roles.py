"""What the inputs of an ONNX graph are, and what it is for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from importing.errors import NotImportable
from importing.onnx_probe import GraphInput, Lengths

Role = Literal["image", "latent", "label"]
Roles = Mapping[Role, GraphInput]
GraphTask = Literal["sample", "conditional", "translate", "reconstruct", "upscale", "stylize"]
"""What a graph may be imported for."""

_LABEL = re.compile(r"label|class|cond|target|attr|(^|[^a-z])[cy]([^a-z]|$)", re.IGNORECASE)
_TAKEN: Mapping[GraphTask, tuple[set[Role], set[Role]]] = {
    "sample": ({"latent"}, set()),
    "conditional": ({"latent", "label"}, set()),
    "translate": ({"image"}, {"label"}),
    "reconstruct": ({"image"}, set()),
    "upscale": ({"image"}, set()),
    "stylize": ({"image"}, set()),
}
"""What a task's graph has to take, and may take."""


def roles_of(inputs: Mapping[str, GraphInput], said: Mapping[str, str], task: GraphTask | None) -> Roles:
    """The inputs by what they are.

    Args:
        said: names of some, by what they are.
        task: what the graph is for, if that is said.

    Raises:
        NotImportable: names do not tell which is what, or there is something else among them.
    """
    roles: dict[Role, GraphInput] = {}
    for role, name in said.items():
        if role not in ("image", "latent", "label"):
            raise NotImportable(f"--input {role}={name}: an input is an image, a latent or a label")
        if name not in inputs:
            raise NotImportable(f"it has no input {name} (--input); it has {', '.join(inputs)}")
        roles[role] = inputs[name]
    for each in inputs.values():
        if each in roles.values():
            continue
        role = _role(each, task)
        if role in roles:
            raise NotImportable(
                f"both {roles[role].name} and {each.name} may be its {role}; say what they are, for example by "
                f"--input latent={roles[role].name} --input label={each.name}"
            )
        roles[role] = each
    return roles


def task_of(roles: Roles, said: GraphTask | None) -> GraphTask:
    """What a graph of such inputs is for.

    Raises:
        NotImportable: the inputs do not tell, or are not those of the task that is said.
    """
    if said is None and "image" in roles:
        raise NotImportable(
            f"it takes pictures ({roles['image'].name}); say what it makes of them by --task: translate, reconstruct, "
            "upscale or stylize"
        )
    task = said or ("conditional" if "label" in roles else "sample")
    wanted, allowed = _TAKEN[task]
    if missing := sorted(wanted - roles.keys()):
        known = ", ".join(f"{each.name} as {role}" for role, each in roles.items()) or "no inputs at all"
        raise NotImportable(f"{task} needs an input that is a {missing[0]}; it has {known} (--input says otherwise)")
    if left := sorted(roles.keys() - wanted - allowed):
        hint = "; --task conditional takes one" if task == "sample" and left == ["label"] else ""
        raise NotImportable(f"it takes a {left[0]} besides ({roles[left[0]].name}), which {task} has not{hint}")
    return task


def like_pictures(shape: Lengths) -> bool:
    """Whether a tensor of this shape may hold pictures, each in lines and columns."""
    return len(shape) == 4 and any(length in (1, 3, None) for length in (shape[1], shape[3])) and shape[2:] != (1, 1)


def _role(each: GraphInput, task: GraphTask | None) -> Role:
    pictured = task not in (None, "sample", "conditional")
    if len(each.shape) < 2 and each.kind.kind == "f" and not _LABEL.search(each.name):
        raise NotImportable(f"it takes {each.name} besides, which no request gives; make a constant of it")
    if like_pictures(each.shape) and (pictured or task is None):
        return "image"
    if (each.kind.kind in "iub" and len(each.shape) <= 2) or _LABEL.search(each.name):
        return "label"
    return "image" if pictured else "latent"
