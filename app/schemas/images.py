"""The shapes of OpenAI's images API, as its SDKs send and read them (openai-python 3.54, `types/image*.py`)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.schemas import is_none


class ImagesRequest(BaseModel):
    """What OpenAI's three routes take. Any further field is an input of the model, which its card judges."""

    model_config = ConfigDict(extra="allow")

    model: str = Field(examples=["mnist-cgan"])
    prompt: str = Field("", max_length=32_000, examples=["a handwritten 7"])
    n: int | None = Field(None, ge=1, description="how many pictures; 1 if absent")
    size: str | None = Field(None, description="`auto` or the model's own, for example 28x28")
    response_format: Literal["url", "b64_json"] | None = Field(None, description="both if absent")
    output_format: Literal["png", "jpeg", "webp", "avif"] | None = None
    output_compression: int | None = Field(None, ge=0, le=100, description="the quality of jpeg, webp and avif")
    background: Literal["auto", "opaque"] | None = None
    stream: bool | None = Field(None, description="only false: pictures come whole")
    partial_images: int | None = Field(None, description="without effect, as are the following")
    quality: str | None = None
    style: str | None = None
    moderation: str | None = None
    input_fidelity: str | None = None
    user: str | None = None
    safety_identifier: str | None = None

    @property
    def inputs(self) -> dict[str, Any]:
        """The fields that are the model's inputs."""
        return dict(self.model_extra or {})


class ImageItem(BaseModel):
    """One picture."""

    url: str | None = Field(None, exclude_if=is_none)
    b64_json: str | None = Field(None, exclude_if=is_none)
    seed: int | None = Field(None, exclude_if=is_none, description="not OpenAI's: draws this very picture again")


class ImagesResponse(BaseModel):
    """What OpenAI's three routes answer."""

    created: int = Field(description="seconds since 1970")
    data: list[ImageItem]
    output_format: Literal["png", "jpeg", "webp", "avif"]
    size: str


ErrorType = Literal[
    "invalid_request_error", "authentication_error", "permission_error", "rate_limit_error", "server_error"
]


class ErrorBody(BaseModel):
    """What went wrong, in OpenAI's words."""

    message: str
    type: ErrorType
    param: str | None
    code: str


class ErrorEnvelope(BaseModel):
    """The body of every error under /v1/images."""

    error: ErrorBody
