"""The shapes of OpenAI's files and batches, as its SDKs send and read them (openai-python 3.54, `types/batch*.py`)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Endpoint(StrEnum):
    """What the lines of a batch may ask."""

    PREDICTIONS = "/v1/predictions"
    GENERATIONS = "/v1/images/generations"
    EDITS = "/v1/images/edits"


class FileObject(BaseModel):
    """A file of requests, or of answers."""

    id: str = Field(examples=["file-5b1f0c9a7e3d4c2b8a6f1e0d"])
    object: Literal["file"] = "file"
    bytes: int
    created_at: int = Field(description="in seconds since 1970, as all times here")
    expires_at: int
    filename: str
    purpose: Literal["batch", "batch_output"]
    status: Literal["processed"] = "processed"


class FileList(BaseModel):
    """A page of files, newest first."""

    object: Literal["list"] = "list"
    data: list[FileObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedFile(BaseModel):
    """Word that a file is no more."""

    id: str
    object: Literal["file"] = "file"
    deleted: Literal[True] = True


Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]], Field(max_length=16)
]


class BatchRequest(BaseModel):
    """A batch to be made."""

    model_config = ConfigDict(extra="forbid")

    input_file_id: str = Field(
        description="a file of purpose `batch`: JSON lines of `custom_id`, `method`, `url`, `body`"
    )
    endpoint: Endpoint
    completion_window: Literal["24h"]
    metadata: Metadata | None = None


class BatchStatus(StrEnum):
    """Where a batch is in its life."""

    VALIDATING = "validating"
    FAILED = "failed"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


ENDED = frozenset({BatchStatus.FAILED, BatchStatus.COMPLETED, BatchStatus.EXPIRED, BatchStatus.CANCELLED})


class BatchError(BaseModel):
    """What is wrong with a file of requests."""

    code: str
    message: str
    line: int | None = Field(default=None, description="from 1")
    param: str | None = None


class BatchErrors(BaseModel):
    """Why a batch has failed as a whole."""

    object: Literal["list"] = "list"
    data: list[BatchError]


class RequestCounts(BaseModel):
    """How many lines there are, and how many have ended, either way."""

    total: int = 0
    completed: int = 0
    failed: int = 0


class BatchObject(BaseModel):
    """A file of requests that is answered, and where that stands."""

    id: str = Field(examples=["batch_5b1f0c9a7e3d4c2b8a6f1e0d"])
    object: Literal["batch"] = "batch"
    endpoint: Endpoint
    errors: BatchErrors | None = None
    input_file_id: str
    completion_window: Literal["24h"] = "24h"
    status: BatchStatus
    output_file_id: str | None = Field(None, description="the answers, once the batch has ended and there are any")
    error_file_id: str | None = Field(None, description="the lines that failed, likewise")
    created_at: int
    in_progress_at: int | None = None
    expires_at: int
    finalizing_at: int | None = None
    completed_at: int | None = None
    failed_at: int | None = None
    expired_at: int | None = None
    cancelling_at: int | None = None
    cancelled_at: int | None = None
    request_counts: RequestCounts
    metadata: dict[str, str] | None = None


class BatchList(BaseModel):
    """A page of batches, newest first."""

    object: Literal["list"] = "list"
    data: list[BatchObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class LineError(BaseModel):
    """Why a line has no response."""

    code: str
    message: str


class LineResponse(BaseModel):
    """What the endpoint answers to a line."""

    status_code: int
    request_id: str
    body: dict[str, Any]


class AnsweredLine(BaseModel):
    """A line of a file of answers."""

    id: str
    custom_id: str
    response: LineResponse | None = None
    error: LineError | None = None
