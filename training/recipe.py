"""A recipe: one TOML file that says how one model is trained."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from models.card import ModelName, Serving, TrainingRecord
from training import toml
from training.datasets.spec import DataSpec

RECIPES = Path(__file__).parent / "recipes"
RECIPE_FILE = "recipe.toml"
"""In the folder of a model that no shipped recipe made."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Optimiser(_Section):
    """Adam, per player. `lr` is multiplied by `players[name]` where that is given (two time-scale updates)."""

    lr: float = Field(default=2e-4, gt=0)
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    players: dict[str, float] = Field(default_factory=dict)
    decay: Literal["none", "linear", "cosine"] = "none"
    decay_from: float = Field(default=0.5, ge=0, le=1, description="share of the budget after which the decay begins")


class Budget(_Section):
    """How long to train."""

    steps: int = Field(gt=0)
    batch: int = Field(gt=0)
    precision: Literal["fp32", "bf16", "auto"] = "fp32"
    """`auto`: what a measurement at the start finds quickest (`training.setting`)."""
    sheet_every: int = Field(default=1000, gt=0, description="steps between sample sheets and checkpoints")


class Recipe(_Section):
    """Everything that decides the weights, and what the card says beside them."""

    name: ModelName
    summary: str
    licence: str
    family: str
    init_from: ModelName | None = Field(default=None, validation_alias=AliasChoices("init_from", "start"))
    """A model whose weights are begun with, as far as they fit (`training.start`). Once called `start`."""
    seed: int = 0
    ema: float = Field(default=0.999, ge=0, lt=1, description="decay of the averaged weights, which are what ships")
    config: dict[str, Any] = Field(default_factory=dict)
    classes: tuple[str, ...] = ()
    domains: dict[Literal["A", "B"], str] = Field(default_factory=dict)
    data: DataSpec
    optimiser: Optimiser = Optimiser()
    budget: Budget
    serving: Serving = Serving()

    def toml(self) -> str:
        """The text of a file that says the same."""
        return toml.text(self.model_dump(mode="json", exclude_defaults=True))


def fingerprint(recipe: Recipe) -> str:
    """Equal for recipes that train alike, for however long and however often they show it."""
    told = recipe.model_dump(
        mode="json", exclude={"budget": {"steps", "sheet_every"}, "serving": True, "summary": True}
    )
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def load(name_or_file: str) -> tuple[Recipe, str]:
    """A recipe by name (`mnist-dcgan`) or by file, and the sha256 of its text.

    Raises:
        FileNotFoundError: neither a shipped recipe nor a file.
        pydantic.ValidationError: the file says something a recipe does not.
    """
    path = Path(name_or_file)
    if path.suffix != ".toml":
        path = RECIPES / f"{name_or_file}.toml"
    if not path.is_file():
        raise FileNotFoundError(f"no recipe {name_or_file!r}; shipped: {', '.join(names())}")
    text = path.read_bytes()
    return Recipe.model_validate(tomllib.loads(text.decode())), hashlib.sha256(text).hexdigest()


def of(training: TrainingRecord, folder: Path) -> Recipe:
    """The recipe that a card's model was trained by: the one in the model's folder, or the shipped one as it stands.

    Raises:
        FileNotFoundError, pydantic.ValidationError: as `load`.
    """
    own = folder / RECIPE_FILE
    return load(str(own) if own.is_file() else training.recipe.removesuffix(".toml"))[0]


def names() -> list[str]:
    """The recipes that ship."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))
