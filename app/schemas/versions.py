"""Versions of models, for who manages them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.models import BrokenFolder
from models.card import ModelReference, Task
from models.registry import SHIPPED, Entry, Registry


class ModelVersion(BaseModel):
    """One version of a model, and which names stand for it."""

    object: Literal["model.version"] = "model.version"
    reference: str = Field(description="`name@sha256`, by which requests ask for it")
    model: str = Field(description="name of the model")
    version: str = Field(description="sha256 of the weights")
    names: list[str] = Field(description="what stands for it: the model's name, aliases; of a draft, nothing")
    published: bool = Field(description="whether the model's name stands for it")
    shipped: bool = Field(description="whether it comes with Easel, and so stays")
    created: int = Field(description="when its card was written, in seconds since 1970")
    bytes: int = Field(description="of the weights")
    tasks: list[Task]


class ModelVersions(BaseModel):
    """All versions, and what could not be taken up."""

    object: Literal["list"] = "list"
    data: list[ModelVersion]
    broken: list[BrokenFolder]


class RemovedVersions(BaseModel):
    """What is gone."""

    removed: list[str] = Field(description="references of the versions")


class ModelWords(BaseModel):
    """What a card says for people; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    summary: str = Field(default="", min_length=1, max_length=500, description="what it makes, in a few words")
    licence: str = Field(default="", min_length=1, max_length=500, description="of the weights")
    limits: str = Field(default="", max_length=5000, description="what it does badly")


class AliasTarget(BaseModel):
    """What a name is to stand for."""

    model_config = ConfigDict(extra="forbid")

    model: Annotated[ModelReference, Field(description="a version, `name@sha256`, or a name that stands for one")]


def version_of(entry: Entry, registry: Registry) -> ModelVersion:
    """An entry of the registry, in words."""
    card = entry.card
    names = sorted(name for name, found in registry.current.items() if found.card.reference == card.reference)
    return ModelVersion(
        reference=card.reference,
        model=card.name,
        version=card.weights.sha256,
        names=names,
        published=card.name in names,
        shipped=entry.folder.parent == SHIPPED,
        created=entry.created,
        bytes=card.weights.bytes,
        tasks=list(card.tasks),
    )


def broken_of(registry: Registry) -> list[BrokenFolder]:
    """What a registry could not take up."""
    return [BrokenFolder(folder=str(path), reason=reason) for path, reason in registry.broken.items()]
