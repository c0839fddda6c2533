"""Webhooks: what a receiver is sent, and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from jobs.prediction import Status
from jobs.representation import Prediction

NoticeType = Literal["prediction.succeeded", "prediction.failed", "prediction.canceled"]
NOTICE_TYPES: dict[Status, NoticeType] = {
    Status.SUCCEEDED: "prediction.succeeded",
    Status.FAILED: "prediction.failed",
    Status.CANCELED: "prediction.canceled",
}


class Notice(BaseModel):
    """The body of a webhook."""

    type: NoticeType
    timestamp: datetime = Field(description="when the prediction ended")
    data: Prediction


class Attempt(BaseModel):
    """One try at delivering a webhook."""

    id: str = Field(description="the `webhook-id` that was sent; the same in every try")
    type: str
    at: datetime
    status: int | None = Field(description="what the receiver answered; null if nothing")
    error: str | None = Field(description="why this try did not deliver; null if it did")


class AttemptList(BaseModel):
    """All tries for one prediction, oldest first."""

    object: Literal["list"] = "list"
    data: list[Attempt]
