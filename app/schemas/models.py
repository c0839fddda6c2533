"""Models: the list in OpenAI's shape, and the card with the JSON Schema of its inputs."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from models.card import Card, Task
from models.inputs import input_model


class ModelSummary(BaseModel):
    """A model in the list."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(description="seconds since 1970")
    owned_by: str
    family: str
    summary: str
    tasks: list[Task]


class ModelList(BaseModel):
    """All models that can be asked for."""

    object: Literal["list"] = "list"
    data: list[ModelSummary]


class ModelDetail(ModelSummary):
    """A model's card, and what each of its tasks takes."""

    card: Card
    inputs: dict[Task, dict[str, Any]] = Field(description="JSON Schema of `input`, by task")


class Told(BaseModel):
    """What was asked of the workers was heard."""

    model: str
    workers: int = Field(description="how many heard it")


def _summary(card: Card, created: int) -> dict[str, Any]:
    return {
        "id": card.name,
        "created": created,
        "owned_by": "easel",
        "family": card.family,
        "summary": card.summary,
        "tasks": list(card.tasks),
    }


def summary(card: Card, created: int) -> ModelSummary:
    """The card as a row of the list."""
    return ModelSummary(**_summary(card, created))


def detail(card: Card, created: int) -> ModelDetail:
    """The card in full."""
    inputs = {task: input_model(card, task).model_json_schema() for task in card.tasks}
    return ModelDetail(**_summary(card, created), card=card, inputs=inputs)
