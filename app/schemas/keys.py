"""API keys, for who manages them. A token is told once, by the answer that makes it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from core.settings import Rate

_LARGEST_LIMIT = 10**9

Limit = Annotated[int, Field(ge=1, le=_LARGEST_LIMIT)]


class Scope(StrEnum):
    """What a key may do."""

    READ = "read"
    PREDICT = "predict"
    PRIORITY = "priority"
    """Besides `predict`: to ask with `priority: high`."""
    ADMIN = "admin"


class NewKey(BaseModel):
    """A key that is asked for. A limit that is left out is the settings' default."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=64, description="whom or what the key is for")
    scopes: list[Scope] = Field(
        default=[Scope.PREDICT], min_length=1, max_length=len(Scope), description="what it may do"
    )
    rate: Rate | None = Field(default=None, description="requests for predictions: `60/minute`")
    outstanding: Limit | None = Field(default=None, description="predictions that may be unfinished")
    daily: Limit | None = Field(default=None, description="images in 24 hours")


class ApiKey(BaseModel):
    """A key, without its token. A limit that is null is the settings' default."""

    object: Literal["key"] = "key"
    id: str
    name: str
    scopes: list[Scope]
    rate: str | None
    outstanding: int | None
    daily: int | None
    created_at: AwareDatetime


class CreatedKey(ApiKey):
    """A key that was just made, with its token."""

    token: str = Field(description="what requests send as `Authorization: Bearer`; it is not kept, and not told again")


class ApiKeys(BaseModel):
    """Every key, the oldest first."""

    object: Literal["list"] = "list"
    data: list[ApiKey]


class RevokedKey(BaseModel):
    """A key that is no more."""

    object: Literal["key"] = "key"
    id: str
    deleted: Literal[True] = True
    canceled: int = Field(ge=0, description="predictions of the key that had not ended, and were canceled")
