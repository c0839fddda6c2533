"""What going on after a stop takes, in one file: weights, averages, the optimisers' moments, and how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from training.recipe import Recipe, fingerprint
from training.setting import Setting


@dataclass(frozen=True)
class Told:
    """How far a run is, and of what it is a run."""

    step: int
    seconds: float
    steps: int
    """Its budget, which its learning rates follow."""
    recipe_sha256: str
    fingerprint: str
    setting: Setting | None
    start: str | None


@dataclass(frozen=True)
class Saved(Told):
    """The same, with all tensors."""

    tensors: Mapping[str, Tensor]

    def under(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin so, without that."""
        start = f"{prefix}/"
        return {name.removeprefix(start): tensor for name, tensor in self.tensors.items() if name.startswith(start)}


def write(
    path: Path, model: nn.Module, average: nn.Module, optimisers: Mapping[str, torch.optim.Optimizer], told: Told
) -> None:
    """Puts the whole state in place at once."""
    tensors = {f"model/{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"average/{name}": tensor for name, tensor in average.state_dict().items()}
    for player, optimiser in optimisers.items():
        for index, slots in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser/{player}/{index}/{slot}": value for slot, value in slots.items()}
    meta = {
        "step": str(told.step),
        "seconds": str(told.seconds),
        "steps": str(told.steps),
        "recipe_sha256": told.recipe_sha256,
        "fingerprint": told.fingerprint,
        "setting": told.setting.model_dump_json() if told.setting else "",
        "start": told.start or "",
    }
    partial = path.with_name(f"{path.name}.partial")
    save_file({name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}, partial, meta)
    partial.replace(path)


def read(path: Path, device: torch.device) -> Saved | None:
    """What was written; None if nothing was."""
    if not path.exists():
        return None
    with safe_open(path, "pt", device=str(device)) as opened:
        meta = opened.metadata()
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  (not a dict)
    setting = meta.get("setting")
    return Saved(
        step=int(meta["step"]),
        seconds=float(meta["seconds"]),
        steps=int(meta.get("steps", 0)),
        recipe_sha256=meta["recipe_sha256"],
        fingerprint=meta.get("fingerprint", ""),
        setting=Setting.model_validate_json(setting) if setting else None,
        start=meta.get("start") or None,
        tensors=tensors,
    )


def require_same(saved: Saved, recipe: Recipe, sha256: str, steps: int, run: Path) -> None:
    """
    Raises:
        ValueError: it is the state of another recipe, or its learning rates have followed another budget.
    """
    if sha256 != saved.recipe_sha256 and fingerprint(recipe) != saved.fingerprint:
        raise ValueError(f"{run} holds a run of another version of this recipe; move it away or train with --fresh")
    optimiser = recipe.optimiser
    constant = optimiser.decay_from * min(saved.steps, steps)
    if saved.steps and steps != saved.steps and optimiser.decay != "none" and saved.step > constant:
        raise ValueError(
            f"{run} cannot go on to {steps} steps: its learning rate has begun to fall towards {saved.steps}. "
            "Train another run, which begins with its model (init_from)"
        )


def restore(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Gives an optimiser its moments back."""
    slots: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, slot = name.split("/")
        moved = optimiser.param_groups[0]["params"][int(index)]
        if value.shape == moved.shape:  # laid out as it is: Adam's fused step reads memory in order
            value = torch.empty_like(moved).copy_(value)
        slots.setdefault(int(index), {})[slot] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": slots})
