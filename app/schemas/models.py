"""Models: the list in OpenAI's shape, and the card with the JSON Schema of its inputs."""

from __future__ import annotations

import sys
from typing import Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, Field

from models.card import Card, Metric, Task
from models.registry import Entry
from pictures.formats import ImageFormat
from pictures.holes import MAX_PIXELS
from tasks.inputs import NATIVE, input_model


class ModelSummary(BaseModel):
    """A model in the list: what one needs to choose it."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(description="seconds since 1970")
    owned_by: str = "easel"
    family: str
    summary: str
    tasks: list[Task]
    takes: dict[Task, tuple[str, ...]] = Field(description="names of the inputs of each task")
    image: ImageFormat
    data: str | None = Field(description="the data set that it was trained on")
    licence: str
    limits: str = Field(description="what it does badly")
    metrics: tuple[Metric, ...]
    featured: bool = Field(description="whether it is one of those to begin with, which come first in the list")
    baseline: bool = Field(description="whether it is there for others to be compared with; these come last")
    sheet: str | None = Field(description="where a sheet of what it makes lies")
    cover: str | None = Field(description="where a small picture of that sheet lies, as wide as a card")
    version: str = Field(description="sha256 of the weights that its name stands for; `id@version` asks for them")


class ModelList(BaseModel):
    """All models that can be asked for."""

    object: Literal["list"] = "list"
    data: list[ModelSummary]


class Example(BaseModel):
    """A picture to try a model on. No model was trained on it."""

    url: str
    kind: str = Field(description="`A` or `B`, the domain that it is of; `image` where there are no domains")


class ModelDetail(ModelSummary):
    """A model's card, and what each of its tasks takes."""

    card: Card
    inputs: dict[Task, dict[str, Any]] = Field(description="JSON Schema of `input`, by task")
    examples: list[Example]
    class_pictures: dict[str, str] = Field(
        description="addresses of small pictures of what classes look like, by class; none of those that need none"
    )
    most_pixels: dict[Task, int] = Field(description="most pixels of an `image`, by task, of those that take one")


class BrokenFolder(BaseModel):
    """What was found in a folder of models and could not be taken up."""

    folder: str
    reason: str


class Refreshed(BaseModel):
    """What one look at the folders of models found, and how many others were told to look."""

    models: int = Field(description="models that can be asked for")
    broken: list[BrokenFolder]
    told: int = Field(description="processes, workers and APIs, that were told to look at once")


class WorkersNotified(BaseModel):
    """How many workers received an instruction to load or drop a model."""

    model: str
    workers: int = Field(description="workers that received the instruction")


def _summary(entry: Entry, home: str) -> dict[str, Any]:
    card = entry.card
    return {
        "id": card.name,
        "created": entry.created,
        "family": card.family,
        "summary": card.summary,
        "tasks": list(card.tasks),
        "takes": card.tasks,
        "image": card.image,
        "data": card.data and card.data.name,
        "licence": card.licence,
        "limits": card.limits,
        "metrics": card.metrics,
        "version": card.weights.sha256,
        "featured": card.featured,
        "baseline": card.baseline,
        "sheet": f"{home}/v1/models/{card.name}/{entry.sheet.name}" if entry.sheet else None,
        "cover": f"{home}/v1/models/{card.name}/cover.webp" if entry.sheet else None,
    }


def summary(entry: Entry, home: str = "") -> ModelSummary:
    """The card as a row of the list. Addresses begin with `home`."""
    return ModelSummary(**_summary(entry, home))


def detail(entry: Entry, max_pixels: int, home: str = "") -> ModelDetail:
    """The card in full, with `max_pixels` as the most of a picture for any task. Addresses begin with `home`."""
    card = entry.card
    examples = [
        Example(url=f"{home}/v1/models/{card.name}/examples/{name}", kind=name.split("-")[0]) for name in entry.examples
    ]
    inputs = {task: input_model(card, task).model_json_schema() for task in card.tasks}
    most = {task: min(max_pixels, _limit(card, task)) for task, names in card.tasks.items() if "image" in names}
    return ModelDetail(
        **_summary(entry, home),
        card=card,
        inputs=inputs,
        examples=examples,
        class_pictures={
            name: f"{home}/v1/models/{card.name}/classes/{quote(name)}.webp" for name in entry.class_pictures
        },
        most_pixels=most,
    )


def _limit(card: Card, task: Task) -> int:
    """Most pixels of a picture that goes through the model at its own size, if nothing else is said."""
    if task is Task.INPAINT:
        return MAX_PIXELS
    if card.native is not None and card.native.default and task in NATIVE:
        return card.native.limit
    return sys.maxsize
