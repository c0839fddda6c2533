"""Pictures at the border: from untrusted bytes to uint8 arrays, and back to encoded bytes. Imports no torch."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import BinaryIO, Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from pictures import png
from pictures.formats import Animated, Format, ImageFormat
from pictures.framing import Frame, Framing

Image.MAX_IMAGE_PIXELS = None  # `decode` judges sizes itself, by the limit that it is given

_ORIENTATION, _ON_ITS_SIDE = 0x0112, (5, 6, 7, 8)
"""EXIF's tag, and its values for pictures whose width and height are to be exchanged."""

READABLE = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")


class BadPicture(ValueError):
    """Bytes that are no usable picture. `reason` tells the kinds apart: `not_an_image`, `truncated` or `too_large`."""

    def __init__(self, reason: Literal["not_an_image", "truncated", "too_large"], detail: str):
        super().__init__(detail)
        self.reason = reason


def decode(data: bytes, wanted: ImageFormat, max_pixels: int) -> np.ndarray:
    """An uploaded picture as a model wants it: upright, opaque, in its mode, its centre scaled to the model's size.

    EXIF orientation is applied, transparency is laid over white, palettes and 16-bit samples are converted, and of an
    animation the first frame is taken. The size is read from the header, so nothing above `max_pixels` is decoded.

    Returns:
        uint8 [height, width, channels].

    Raises:
        BadPicture: not a picture, broken, or larger than `max_pixels`.
    """
    picture = _open(io.BytesIO(data), max_pixels)
    size = wanted.width, wanted.height
    return _fitted(picture, wanted, size, cropped=True)


def decode_framed(data: bytes, wanted: ImageFormat, max_pixels: int, framing: Framing) -> tuple[np.ndarray, Frame]:
    """The same of a picture that is to come back at its own size: its pixels as `Frame.cut` takes them, and the frame.

    Raises:
        BadPicture: as `decode`.
        TooLargePicture: it would take more work than one may; told from its header, before it is decoded.
    """
    picture = _open(io.BytesIO(data), max_pixels)
    with _breakage_told():
        turned = picture.getexif().get(_ORIENTATION, 1) in _ON_ITS_SIDE
    size = picture.size[::-1] if turned else picture.size
    frame = framing.frame(size, (wanted.width, wanted.height))
    pixels = _fitted(picture, wanted, frame.inner, cropped=frame.fit == "cover")
    if framing.transparent and picture.has_transparency_data and wanted.channels == 3:
        alpha = np.asarray(_alpha(picture).resize(frame.inner, Image.Resampling.BICUBIC))
        if alpha.min() < 255:
            frame = frame.model_copy(update={"alpha": True})
            pixels = np.concatenate([pixels, alpha[:, :, None]], axis=2)
    return pixels, frame


def decode_kept(data: bytes, wanted: ImageFormat, max_pixels: int) -> np.ndarray:
    """A picture at its own size, each pixel as it is: upright, with its transparency if it has any; without colours
    only if neither it nor the model has some.

    Returns:
        uint8 [height, width, 1, 3 or 4].

    Raises:
        BadPicture: as `decode`.
    """
    picture = _open(io.BytesIO(data), max_pixels)
    with _breakage_told():
        picture = ImageOps.exif_transpose(picture)
        if picture.has_transparency_data:
            kept = picture.convert("RGBA")
            if kept.getextrema()[3][0] == 255:
                kept = kept.convert("RGB")
        else:
            grey = picture.mode in ("1", "L", "I", "F") or picture.mode.startswith("I;16")
            kept = _opaque(picture).convert("L" if grey and wanted.channels == 1 else "RGB")
    pixels = np.asarray(kept)
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def decode_mask(data: bytes, max_pixels: int, seen_through: bool = False) -> np.ndarray:
    """What a mask marks, bool [height, width]: what can be seen through, or of an opaque picture, what is white.

    Args:
        seen_through: it is a picture whose transparency alone marks, not its colours.

    Raises:
        BadPicture: as `decode`.
    """
    picture = _open(io.BytesIO(data), max_pixels)
    with _breakage_told():
        picture = ImageOps.exif_transpose(picture)
        alpha = np.asarray(picture.convert("RGBA").getchannel("A")) if picture.has_transparency_data else None
        if alpha is not None and alpha.min() < 255:
            return alpha < 128
        if seen_through:
            return np.zeros(picture.size[::-1], bool)
        return np.asarray(_opaque(picture).convert("L")) > 127


def _alpha(picture: Image.Image) -> Image.Image:
    """How opaque an upright picture's pixels are, from 0 to 255."""
    with _breakage_told():
        return ImageOps.exif_transpose(picture).convert("RGBA").getchannel("A")


def _fitted(picture: Image.Image, wanted: ImageFormat, size: tuple[int, int], cropped: bool) -> np.ndarray:
    """Upright, opaque, in the model's mode and of a size; `cropped` keeps the aspect of its centre."""
    with _breakage_told():
        # JPEG can be decoded at a fraction of its size, which bounds time and memory for photographs.
        picture.draft(None, (max(size) * 2, max(size) * 2))
        picture = ImageOps.exif_transpose(picture)
        picture = _opaque(picture).convert(wanted.mode)
    if cropped:
        fitted = ImageOps.fit(picture, size, Image.Resampling.BICUBIC)
    else:
        fitted = picture.resize(size, Image.Resampling.BICUBIC)
    return np.asarray(fitted).reshape(size[1], size[0], wanted.channels)


def inspect(file: BinaryIO, max_pixels: int) -> tuple[int, int, str]:
    """Width, height and media type of an uploaded picture that is whole and of a kind that `decode` takes.

    Raises:
        BadPicture: not a picture, broken, or larger than `max_pixels`.
    """
    picture = _open(file, max_pixels)
    width, height = picture.size
    with _breakage_told():
        picture.draft(None, (1, 1))
        picture.load()
    return width, height, Image.MIME[picture.format]


def _open(file: BinaryIO, max_pixels: int) -> Image.Image:
    try:
        picture = Image.open(file, formats=READABLE)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        raise BadPicture("not_an_image", f"not a picture in a known format ({', '.join(READABLE)})") from None
    width, height = picture.size
    if width * height > max_pixels:
        raise BadPicture("too_large", f"{width} x {height} pixels exceed the limit of {max_pixels:,} pixels")
    return picture


@contextmanager
def _breakage_told() -> Iterator[None]:
    """Whatever a decoder raises over a broken file is a `BadPicture`."""
    try:
        yield
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        IndexError,
        ZeroDivisionError,
        TypeError,
        AttributeError,
    ) as error:
        raise BadPicture("truncated", f"the picture is broken or truncated: {error}") from None


def _opaque(picture: Image.Image) -> Image.Image:
    """8-bit RGB or L, transparency laid over white."""
    if picture.mode.startswith("I;16") or picture.mode == "I":
        return Image.fromarray(
            (np.asarray(picture).astype(np.float32) / 65535 * 255).round().clip(0, 255).astype(np.uint8)
        )
    if picture.mode == "F":
        return Image.fromarray(np.asarray(picture).clip(0, 255).astype(np.uint8))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        backdrop = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        return Image.alpha_composite(backdrop, picture).convert("RGB")
    return picture.convert("RGB")


def encode(
    pixels: np.ndarray, format: Format = "png", quality: int = 90, texts: Mapping[str, str] | None = None
) -> bytes:
    """uint8 [H, W, 1, 3 or 4] -> bytes of an image file, the same bytes for the same arguments; a jpg lies over white.

    `quality` (1 to 100) counts for jpg, webp and avif; `texts` become text chunks of a png, and are left out elsewhere.
    """
    if format == "png":
        return png.write(pixels, texts)
    picture = _image(pixels)
    buffer = io.BytesIO()
    if format == "jpg":
        picture = _opaque(picture) if picture.mode == "RGBA" else picture
        picture.save(buffer, "JPEG", quality=quality)
    elif format == "webp":
        picture.save(buffer, "WEBP", quality=quality, method=2)
    else:
        picture.save(buffer, "AVIF", quality=quality, speed=8, max_threads=1)
    return buffer.getvalue()


def animate(frames: Sequence[np.ndarray], format: Animated = "webp", fps: float = 8, quality: int = 90) -> bytes:
    """uint8 [H, W, 1 or 3] each -> bytes of an animation without end. Equal neighbours are stored as one longer frame.

    A GIF counts time in hundredths of a second and has 256 colours; `quality` (1 to 100) counts for webp.
    """
    first, *rest = [_image(pixels) for pixels in frames]
    buffer = io.BytesIO()
    options = {"quality": quality, "method": 2} if format == "webp" else {}
    first.save(buffer, format.upper(), save_all=True, append_images=rest, duration=round(1000 / fps), loop=0, **options)
    return buffer.getvalue()


def _image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
