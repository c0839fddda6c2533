"""Where a picture comes from, written into the picture itself: that it was made, by what, and enough to make it again.

Programs of others read the mark as XMP (ISO 16684-1) with IPTC's digital source type (docs/provenance.md). Imports no
torch.
"""

from __future__ import annotations

import io
import re
from html import unescape
from typing import Any
from xml.sax.saxutils import quoteattr

from PIL import Image, UnidentifiedImageError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

CHUNK = "easel"
"""Keyword of the PNG text chunk that holds it (PNG specification, 11.3.3)."""
PICTURE_DIGEST = "sha256:"
"""A picture among the inputs is named by this and the sha256 of its pixels, as the model took them."""
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
"""IPTC's vocabulary of digital source types."""
NAMESPACE = "urn:easel:provenance:1"
"""Of the properties of our own in the XMP packet: `model`, `weights`, and `made`, which is the JSON of `Provenance`."""
_READABLE = ("PNG", "JPEG", "WEBP", "AVIF", "GIF")
_MADE = re.compile(r'easel:made=(?:"([^"]*)"|\'([^\']*)\')')


class NoProvenance(ValueError):
    """Bytes that say nothing, or nothing readable, of where they come from."""


class Provenance(BaseModel):
    """What made one image. It names neither prediction nor batch: the same image always has the same provenance."""

    model_config = ConfigDict(frozen=True)

    model: str
    weights: str = Field(description="sha256 of the weights")
    task: str
    seed: int | None = Field(description="draws this very image; None where one input makes all images")
    index: int = Field(default=0, ge=0, description="place among the images that the input makes; 0 for a drawn one")
    quality: int | None = Field(
        default=None, description="of the file, in a format that loses some", exclude_if=lambda v: v is None
    )
    input: dict[str, Any]

    @classmethod
    def read(cls, data: bytes) -> Provenance:
        """The provenance in the bytes of an image file.

        Raises:
            NoProvenance: not an image, or one that Easel did not write, or wrote with `metadata: false`.
        """
        try:
            with Image.open(io.BytesIO(data), formats=_READABLE) as picture:
                made = getattr(picture, "text", {}).get(CHUNK) or _in_xmp(picture.info.get("xmp"))
        except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
            raise NoProvenance(f"this is no readable picture ({', '.join(_READABLE)})") from None
        try:
            return cls.model_validate_json(made or "")
        except ValidationError:
            raise NoProvenance("this picture does not say what made it") from None

    @property
    def text(self) -> str:
        """Compact JSON."""
        return self.model_dump_json()

    @property
    def had_pictures(self) -> bool:
        """Whether the input held pictures, of which only digests are kept."""
        values = [item for value in self.input.values() for item in (value if isinstance(value, list) else [value])]
        return any(isinstance(value, str) and value.startswith(PICTURE_DIGEST) for value in values)

    def xmp(self, replayable: bool) -> bytes:
        """The XMP packet that marks an image as made by a model, always the same for the same image.

        Args:
            replayable: with all that it takes to make the image again; else it names the model and its weights alone.
        """
        kind = "compositeWithTrainedAlgorithmicMedia" if self.had_pictures else "trainedAlgorithmicMedia"
        made = f" easel:made={quoteattr(self.text)}" if replayable else ""
        return (
            '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>'
            '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
            f'xmlns:easel="{NAMESPACE}" Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPES}{kind}" '
            f"easel:model={quoteattr(self.model)} easel:weights={quoteattr(self.weights)}{made}/>"
            '</rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
        ).encode()


def _in_xmp(packet: bytes | str | None) -> str | None:
    """The JSON in a packet of ours. It is looked for, not parsed: a stranger's XML is a risk."""
    if packet is None:
        return None
    found = _MADE.search(packet if isinstance(packet, str) else packet.decode(errors="replace"))
    return None if found is None else unescape(found[1] or found[2] or "")
