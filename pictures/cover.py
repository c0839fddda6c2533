"""A cover: what a card of a model shows of its sample sheet, small."""

from __future__ import annotations

import io

from PIL import Image

ASPECT = 16 / 10
"""Width by height."""
WIDTH = 352
"""Most pixels across; a smaller sheet is not enlarged."""
QUALITY = 48


def cover_of(sheet: bytes) -> bytes:
    """The upper left of a sheet as WebP of `ASPECT`: as much of the sheet as has that shape.

    Raises:
        OSError: the sheet is no picture.
    """
    with Image.open(io.BytesIO(sheet)) as whole:
        across = min(whole.width, round(whole.height * ASPECT))
        shown = whole.convert("RGB").crop((0, 0, across, round(across / ASPECT)))
    if shown.width > WIDTH:
        shown = shown.resize((WIDTH, round(WIDTH / ASPECT)), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    shown.save(buffer, "WEBP", quality=QUALITY, method=4)
    return buffer.getvalue()
