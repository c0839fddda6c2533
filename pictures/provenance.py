"""Where a picture comes from, written into the picture itself: that it was made, by what, and enough to make it again.

Programs of others read the mark as XMP (ISO 16684-1) with IPTC's digital source type (docs/provenance.md). Imports no
torch.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
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
XMP_IN_GIF = b"\x21\xff\x0bXMP DataXMP"
"""Begins the application extension of an XMP packet (ISO 16684-3, 2.2.1)."""
_READABLE = ("PNG", "JPEG", "WEBP", "AVIF", "GIF")
_PROPERTY = r'\b{}=(?:"([^"]*)"|\'([^\']*)\')'
"""A property of a packet of ours. It is looked for, not parsed: a stranger's XML is a risk."""


class NoProvenance(ValueError):
    """Bytes that say nothing, or nothing readable, of where they come from."""


@dataclass(frozen=True)
class Mark:
    """What every file says that Easel marked: that a model made it, and which."""

    model: str
    weights: str
    """sha256 of them."""
    source_type: str
    """Its IRI in IPTC's vocabulary."""

    @classmethod
    def read(cls, data: bytes) -> Mark | None:
        """The mark of an image file, a sheet or an animation, or None if it has none.

        Raises:
            NoProvenance: not an image.
        """
        _, packet = _notes(data)
        names = ("easel:model", "easel:weights", "Iptc4xmpExt:DigitalSourceType")
        model, weights, source_type = (_property(packet, name) for name in names)
        if model is None or weights is None or source_type is None:
            return None
        return cls(model, weights, source_type)


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
        text, packet = _notes(data)
        try:
            return cls.model_validate_json(text or _property(packet, "easel:made") or "")
        except ValidationError:
            raise NoProvenance("this picture does not say what made it") from None

    @property
    def text(self) -> str:
        """Compact JSON."""
        return self.model_dump_json()

    @property
    def mark(self) -> Mark:
        """What is said of it in every file."""
        kind = "compositeWithTrainedAlgorithmicMedia" if self.had_pictures else "trainedAlgorithmicMedia"
        return Mark(self.model, self.weights, SOURCE_TYPES + kind)

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
        mark = self.mark
        made = f" easel:made={quoteattr(self.text)}" if replayable else ""
        return (
            '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>'
            '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
            f'xmlns:easel="{NAMESPACE}" Iptc4xmpExt:DigitalSourceType="{mark.source_type}" '
            f"easel:model={quoteattr(mark.model)} easel:weights={quoteattr(mark.weights)}{made}/>"
            '</rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
        ).encode()


def _notes(data: bytes) -> tuple[str | None, str]:
    """The text chunk of ours and the XMP packet of an image file. Raises `NoProvenance` for what is no image."""
    try:
        with Image.open(io.BytesIO(data), formats=_READABLE) as picture:
            text, packet = getattr(picture, "text", {}).get(CHUNK), picture.info.get("xmp") or ""
            if picture.format == "GIF":  # whose packet Pillow does not read
                packet = data.partition(XMP_IN_GIF)[2].partition(b"<?xpacket end")[0]
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        raise NoProvenance(f"this is no readable picture ({', '.join(_READABLE)})") from None
    return text, packet if isinstance(packet, str) else packet.decode(errors="replace")


def _property(packet: str, name: str) -> str | None:
    found = re.search(_PROPERTY.format(name), packet)
    return None if found is None else unescape(found[1] or found[2] or "")
