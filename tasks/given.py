"""What a request gives to a task, with types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeVar

from pydantic import BaseModel

from models.card import Direction

T = TypeVar("T")


@dataclass(frozen=True)
class Given:
    """The inputs of a request that fits its card's schema; those that the task does not take stand as if left out.

    `tasks.inputs.FIELDS` says what each of them means.
    """

    n: int = 1
    seed: int | None = None
    seeds: Sequence[int] | None = None
    latent: Sequence[float] | None = None
    latents: Sequence[Sequence[float]] | None = None
    path: Literal["lerp", "slerp"] | None = None
    temperature: float | None = None
    truncation: float | None = None
    label: int | None = None
    blend: Sequence[int] = ()
    text: str | None = None
    frames: int = 1
    dimension: int | None = None
    attribute: str | None = None
    span: float = 0.0
    style_image: str | None = None
    direction: Direction | None = None
    target: int | None = None
    targets: Sequence[int] = ()
    cycle: bool = False
    heat_map: bool = False
    strength: float = 0.0
    scale: int = 1
    layer: str | None = None
    channel: int | None = None
    guide_image: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    """All of them by name: for options that go to a model's method as they are, and for its attributes."""

    @classmethod
    def of(cls, inputs: BaseModel) -> Given:
        """From a model that `tasks.inputs.input_model` has made."""
        values = dict(inputs)
        named = {each.name for each in fields(cls)} - {"values"}
        return cls(
            values=values, **{name: value for name, value in values.items() if name in named and value is not None}
        )


def present(value: T | None, name: str) -> T:
    """An input that its schema makes sure of.

    Raises:
        ValueError: it is not there, so the schema is wrong.
    """
    if value is None:
        raise ValueError(f"`{name}` is missing")
    return value
