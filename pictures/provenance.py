"""Where a picture comes from, written into the picture itself: enough to make it again. Imports no torch."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image, UnidentifiedImageError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

CHUNK = "easel"
"""Keyword of the PNG text chunk that holds it (PNG specification, 11.3.3)."""
PICTURE_DIGEST = "sha256:"
"""A picture among the inputs is named by this and the sha256 of its pixels, as the model took them."""


class NoProvenance(ValueError):
    """Bytes that say nothing, or nothing readable, of where they come from."""


class Provenance(BaseModel):
    """What made one image. It names neither prediction nor batch: the same image always has the same provenance."""

    model_config = ConfigDict(frozen=True)

    model: str
    weights: str = Field(description="sha256 of the weights")
    task: str
    seed: int | None = Field(description="draws this very image; None where one input makes all images")
    index: int = Field(0, ge=0, description="place among the images that the input makes; 0 for a drawn one")
    input: dict[str, Any]

    @classmethod
    def read(cls, data: bytes) -> Provenance:
        """The provenance in the bytes of a PNG.

        Raises:
            NoProvenance: not a PNG, or one that Easel did not write, or wrote with `metadata: false`.
        """
        try:
            with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
                return cls.model_validate_json(picture.text[CHUNK])
        except (UnidentifiedImageError, OSError, SyntaxError):
            raise NoProvenance("this is no readable PNG; other formats do not keep what made them") from None
        except (KeyError, ValidationError, ValueError):
            raise NoProvenance(f"this PNG has no readable chunk {CHUNK!r}: it does not say what made it") from None

    @property
    def text(self) -> str:
        """Compact JSON."""
        return self.model_dump_json()

    @property
    def had_pictures(self) -> bool:
        """Whether the input held pictures, of which only digests are kept."""
        values = [item for value in self.input.values() for item in (value if isinstance(value, list) else [value])]
        return any(isinstance(value, str) and value.startswith(PICTURE_DIGEST) for value in values)
