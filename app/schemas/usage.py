"""Usage: what keys have used of what they may."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class Allowance(BaseModel):
    """A limit, and how much of it is used."""

    used: int = Field(ge=0)
    limit: int


class Requests(Allowance):
    """Requests for predictions, in a moving window."""

    per: Literal["second", "minute", "hour", "day"]


class Images(Allowance):
    """Images asked for in 24 hours from the first of them."""

    reset_s: int | None = Field(description="seconds until all of them are allowed again; null if none is used")


class Uploads(Allowance):
    """Bytes of the uploads that are kept."""

    count: int = Field(description="files they are")


class Kept(Allowance):
    """Bytes of all that is kept: inputs, results and uploads. What has not ended counts with what it may become."""


class Usage(BaseModel):
    """What one key has used of what it may."""

    key: str = Field(description="the key's id, as `easel keys list` shows it")
    name: str
    requests: Requests
    predictions_today: int = Field(ge=0, description="predictions made in 24 hours from the first of them")
    images_today: Images
    outstanding: Allowance = Field(description="predictions that have not ended")
    uploads: Uploads
    kept: Kept


class UsageList(BaseModel):
    """The usage of the key that asks, or of all keys if that is an admin's. Empty where no key is needed."""

    object: Literal["list"] = "list"
    data: list[Usage]
