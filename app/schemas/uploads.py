"""Uploads: files that are sent once and taken by many predictions."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field


class Upload(BaseModel):
    """A picture's file, kept as it came. A prediction takes it as `upload:<id>`."""

    id: str
    object: Literal["upload"] = "upload"
    bytes: int
    width: int = Field(description="pixels, as the file says, before EXIF turns the picture")
    height: int
    media_type: str = Field(examples=["image/png"])
    sha256: str
    created_at: datetime
    expires_at: datetime
