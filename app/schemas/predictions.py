"""Predictions: what is asked, what is answered."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from jobs.prediction import Event, Output, Priority
from jobs.representation import Prediction
from models.card import ModelReference, Task


class PredictionRequest(BaseModel):
    """What to make. `input` takes what `GET /v1/models/{model}` lists for the task."""

    model_config = ConfigDict(extra="forbid")

    model: ModelReference = Field(description="its name, an alias, or a version of it: `name@sha256`")
    task: Task | None = Field(None, description="the model's first task if absent")
    input: dict[str, Any] = Field(default_factory=dict, max_length=64)
    output: Output = Output()
    priority: Priority = Field(Priority.NORMAL, description="`high` needs a key with the scope `priority`")
    webhook: str | None = Field(None, description="URL that receives a POST when the prediction has ended")
    webhook_events_filter: tuple[Event, ...] = Field(
        tuple(Event), max_length=8, description="the ends that are sent to the webhook; all if absent"
    )


class PredictionList(BaseModel):
    """A page of the history."""

    object: Literal["list"] = "list"
    data: list[Prediction]
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last")
