"""Pictures at the border: from untrusted bytes to uint8 arrays, and back to encoded bytes. Imports no torch."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO, Literal, NamedTuple

import numpy as np
from PIL import Image, ImageOps, ImageSequence

from pictures import colour, cost, png, png_chunks
from pictures.formats import Animated, Format, ImageFormat
from pictures.framing import Frame, Framing
from pictures.provenance import CHUNK, XMP_IN_GIF, Provenance

Image.MAX_IMAGE_PIXELS = None  # `decode` judges sizes itself, by the limit that it is given

try:  # an optional extra
    import pillow_heif  # pyright: ignore[reportMissingImports]

    pillow_heif.register_heif_opener(thumbnails=False)
    _HEIF = ("HEIF",)
except ImportError:
    _HEIF = ()

_ORIENTATION, _ON_ITS_SIDE = 0x0112, (5, 6, 7, 8)
"""EXIF's tag, and its values for pictures whose width and height are to be exchanged."""
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0
"""TIFF's tag for what its samples mean, and its value where 0 is white."""

READABLE = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", *_HEIF)

_MAGIC = {
    "PNG": (0, (png_chunks.SIGNATURE,)),
    "JPEG": (0, (b"\xff\xd8\xff",)),
    "WebP": (8, (b"WEBP",)),
    "GIF": (0, (b"GIF87a", b"GIF89a")),
    "BMP": (0, (b"BM",)),
    "TIFF": (0, (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    "AVIF": (4, (b"ftypavif", b"ftypavis")),
    "HEIC": (4, tuple(b"ftyp" + brand for brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1"))),
}
"""Where the first bytes of each kind of file say what it is, and how."""

FULL_CHROMA = 90
"""The quality from which on a file keeps its colours at full resolution."""

_SHRINKS = 8
"""By how much a decoder of JPEG can scale each side down while it reads."""

_FRAME_MS = 100
"""What browsers show a frame for that says no time."""

Reason = Literal["not_an_image", "truncated", "too_large", "not_readable", "picture_too_costly"]


class BadPicture(ValueError):
    """Bytes that are no usable picture. `reason` tells the kinds apart:

    `not_an_image`: of no kind that is known; `not_readable`: of one that is not read here; `truncated`: broken;
    `too_large`: too many pixels; `picture_too_costly`: it would take too much time or memory.
    """

    def __init__(self, reason: Reason, detail: str):
        super().__init__(detail)
        self.reason: Reason = reason


def decode(data: bytes, wanted: ImageFormat, max_pixels: int, stretched: bool = False) -> np.ndarray:
    """An uploaded picture as a model wants it: upright, opaque, sRGB, its centre scaled to the model's size, or all of
    it `stretched` to that.

    EXIF orientation is applied, colours are converted (`pictures.colour`), transparency is laid over white, palettes
    and 16-bit samples are converted, and of an animation the first frame is taken. The size is read from the header,
    so nothing above `max_pixels` is decoded; a JPEG may have more, as long as it can be decoded at a fraction of them.

    Returns:
        uint8 [height, width, channels].

    Raises:
        BadPicture: not a picture, broken, or larger than `max_pixels`.
    """
    opened = _Opened(io.BytesIO(data), max_pixels)
    return _fitted(opened, wanted, (wanted.width, wanted.height), cropped=not stretched)


def decode_framed(data: bytes, wanted: ImageFormat, max_pixels: int, framing: Framing) -> tuple[np.ndarray, Frame]:
    """The same of a picture that is to come back at its own size: its pixels as `Frame.cut` takes them, and the frame.

    Raises:
        BadPicture: as `decode`.
        TooLargePicture: it would take more work than one may; told from its header, before it is decoded.
    """
    opened = _Opened(io.BytesIO(data), max_pixels)
    frame = framing.frame(opened.size, (wanted.width, wanted.height))
    pixels = _fitted(opened, wanted, frame.inner, cropped=frame.fit == "cover")
    if framing.transparent and opened.alpha is not None and wanted.channels == 3:
        alpha = np.asarray(opened.alpha.resize(frame.inner, Image.Resampling.BICUBIC))
        if alpha.min() < 255:
            frame = frame.model_copy(update={"alpha": True})
            pixels = np.concatenate([pixels, alpha[:, :, None]], axis=2)
    return pixels, frame


def decode_kept(data: bytes, wanted: ImageFormat, max_pixels: int) -> np.ndarray:
    """A picture at its own size, each pixel as it is: upright, sRGB, with its transparency if it has any; without
    colours only if neither it nor the model has some.

    Returns:
        uint8 [height, width, 1, 3 or 4].

    Raises:
        BadPicture: as `decode`, and of a JPEG that is larger.
    """
    opened = _at_full_size(data, max_pixels)
    colours = opened.load(opened.size, over_white=False)
    pixels = np.asarray(colours if colours.mode == "L" and wanted.channels == 1 else colours.convert("RGB"))
    if opened.alpha is None or opened.alpha.getextrema()[0] == 255:
        return pixels if pixels.ndim == 3 else pixels[:, :, None]
    return np.dstack([np.asarray(colours.convert("RGB")), np.asarray(opened.alpha)])


def upright(data: bytes, max_pixels: int) -> Image.Image:
    """A picture at its own size as RGB or L of sRGB: upright, and laid over white where it is transparent.

    Raises:
        BadPicture: as `decode_kept`.
    """
    opened = _at_full_size(data, max_pixels)
    return opened.load(opened.size)


def header(data: bytes, max_pixels: int) -> PictureHeader:
    """What a picture says of itself, before it is decoded.

    Raises:
        BadPicture: as `decode`.
    """
    opened = _Opened(io.BytesIO(data), max_pixels)
    return PictureHeader(*opened.size, opened.picture.mode)


def decode_mask(data: bytes, max_pixels: int, seen_through: bool = False) -> np.ndarray:
    """What a mask marks, bool [height, width]: what can be seen through, or of an opaque picture, what is white.

    Args:
        seen_through: it is a picture whose transparency alone marks, not its colours.

    Raises:
        BadPicture: as `decode_kept`.
    """
    opened = _at_full_size(data, max_pixels)
    bright = np.asarray(opened.load(opened.size).convert("L")) > 127
    if opened.alpha is not None and (alpha := np.asarray(opened.alpha)).min() < 255:
        return alpha < 128
    return np.zeros_like(bright) if seen_through else bright


def _at_full_size(data: bytes, max_pixels: int) -> _Opened:
    opened = _Opened(io.BytesIO(data), max_pixels)
    width, height = opened.size
    if width * height > max_pixels:
        raise _too_large(opened.size, max_pixels)
    return opened


def inspect(file: BinaryIO, max_pixels: int) -> tuple[int, int, str]:
    """Width, height and media type of an uploaded picture that is whole and of a kind that `decode` takes.

    Raises:
        BadPicture: not a picture, broken, or larger than `max_pixels`.
    """
    opened = _Opened(file, max_pixels)
    width, height = opened.size
    media_type = Image.MIME[opened.kind]
    opened.load((1, 1))
    return width, height, media_type


def is_ordinary(file: BinaryIO, max_pixels: int) -> bool:
    """Whether a picture takes little time and memory to decode, judged from its header.

    Raises:
        BadPicture: as `decode`.
    """
    return cost.is_ordinary(_Opened(file, max_pixels).picture, file)


class PictureHeader(NamedTuple):
    """A picture's size when it is turned as it is to be seen, and Pillow's word for its pixels."""

    width: int
    height: int
    mode: str


class _Opened:
    """A picture whose header has been read, and nothing else."""

    def __init__(self, file: BinaryIO, max_pixels: int):
        """
        Raises:
            BadPicture: not a picture of a kind that is read, or too large.
        """
        head, whole = file.read(16), file
        file.seek(0)
        self._pixels = None
        self._size: tuple[int, int] | None = None
        if head.startswith(png_chunks.SIGNATURE):
            self._pixels = png_chunks.PixelChunks(file)
            file = io.BufferedReader(self._pixels)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow's remarks on metadata that it skips
                self.picture = Image.open(file, formats=READABLE)
        except MemoryError:
            raise
        except Exception:  # a decoder raises whatever it meets
            raise _unreadable(head) from None
        self._max_pixels = max_pixels
        self.alpha: Image.Image | None = None
        """How opaque its pixels are, once they are loaded, if any may be transparent."""
        self.kind = self.picture.format or ""
        """Pillow's name of the file's format."""
        width, height = self.picture.size
        if width * height > max_pixels * (_SHRINKS**2 if self._shrinks else 1):
            raise _too_large((width, height), max_pixels)
        if why := cost.objection(self.picture, whole, max_pixels):
            raise BadPicture("picture_too_costly", why)

    @property
    def _shrinks(self) -> bool:
        """Whether it is decoded at a fraction of its size where that is enough; a progressive JPEG is held whole."""
        return self.kind == "JPEG" and not self.picture.info.get("progressive")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height when it is turned as it is to be seen. Of a PNG all of it may be decoded to know that, since
        its EXIF may stand behind the pixels.

        No `cached_property`: before Python 3.12 its lock is one for all pictures, which would wait for one another.

        Raises:
            BadPicture: it is broken.
        """
        if self._size is None:
            self._size = self._upright_size()
        return self._size

    def _upright_size(self) -> tuple[int, int]:
        width, height = self.picture.size
        if self.kind in ("TIFF", "AVIF", "HEIF"):  # their readers turn them, and tell the size that they then have
            return width, height
        with _as_bad_picture():
            turned = self.picture.getexif().get(_ORIENTATION, 1) in _ON_ITS_SIDE
        return (height, width) if turned else (width, height)

    def load(self, size: tuple[int, int], over_white: bool = True) -> Image.Image:
        """Its pixels as RGB or L of sRGB: upright, opaque, of `size` at least if it has that many.

        Args:
            over_white: whether what is transparent is laid over white; else its colours are as they are in the file.

        Raises:
            BadPicture: it is broken, or says its colours in a way that is not read.
        """
        picture = self.picture
        with _as_bad_picture():
            # JPEG can be decoded at a fraction of its size, which bounds time and memory for photographs.
            picture.draft(None, size)
            if picture.size[0] * picture.size[1] > self._max_pixels:
                picture.draft(None, self._within())
            white_is_zero = getattr(picture, "tag_v2", {}).get(_PHOTOMETRIC) == _WHITE_IS_ZERO
            picture.load()
            picture = ImageOps.exif_transpose(picture)
            info = dict(self.picture.info)
            flat = _eight_bits(picture, white_is_zero)
            flat.info = info
            if flat.has_transparency_data:
                self.alpha = flat.convert("RGBA").getchannel("A")
            colours = colour.to_srgb(_plain(flat), self._pixels.cicp if self._pixels else None)
            return _over_white(colours, self.alpha) if over_white and self.alpha is not None else colours

    def _within(self) -> tuple[int, int]:
        """The size at which a large JPEG keeps to the limit of pixels."""
        width, height = self.picture.size
        scale = math.ceil(math.sqrt(width * height / self._max_pixels))
        return width // scale, height // scale


def _fitted(opened: _Opened, wanted: ImageFormat, size: tuple[int, int], cropped: bool) -> np.ndarray:
    """In the model's mode and of a size; `cropped` keeps the aspect of its centre."""
    picture = opened.load((max(size) * 2, max(size) * 2)).convert(wanted.mode)
    if cropped:
        fitted = ImageOps.fit(picture, size, Image.Resampling.BICUBIC)
    else:
        fitted = picture.resize(size, Image.Resampling.BICUBIC)
    return np.asarray(fitted).reshape(size[1], size[0], wanted.channels)


def _too_large(size: tuple[int, int], max_pixels: int) -> BadPicture:
    return BadPicture("too_large", f"{size[0]} x {size[1]} pixels exceed the limit of {max_pixels:,} pixels")


def _unreadable(head: bytes) -> BadPicture:
    """Why a file that no decoder takes is none, by its first bytes."""
    if not head:
        return BadPicture("not_an_image", "the file is empty")
    kind = next((kind for kind, (at, magics) in _MAGIC.items() if head[at:].startswith(magics)), None)
    if kind == "HEIC" and not _HEIF:
        return BadPicture("not_readable", "HEIC is not read here; save the picture as JPEG or PNG")
    if kind is None:
        return BadPicture("not_an_image", f"not a picture in a known format ({', '.join(READABLE)})")
    return BadPicture("truncated", f"the {kind} file is broken or truncated")


@contextmanager
def _as_bad_picture() -> Iterator[None]:
    """Whatever a decoder raises over a broken file is a `BadPicture`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except BadPicture:
        raise
    except colour.UnknownColours as error:
        raise BadPicture("not_readable", str(error)) from None
    except MemoryError:
        raise
    except Exception as error:  # a decoder raises whatever it meets
        raise BadPicture("truncated", f"the picture is broken or truncated: {error}") from None


def _eight_bits(picture: Image.Image, white_is_zero: bool) -> Image.Image:
    """The picture with 8 bits a channel, in a mode that Pillow can convert.

    Raises:
        BadPicture: samples of a depth whose range nobody says.
    """
    if picture.mode.startswith("I;16"):
        samples = np.asarray(picture)
        if white_is_zero:
            samples = 65535 - samples
        return Image.fromarray((samples.astype(np.float32) / 257).round().astype(np.uint8))
    if picture.mode == "F":
        samples = np.asarray(picture)
        if not (np.isfinite(samples).all() and samples.min() >= 0 and samples.max() <= 1):
            raise BadPicture("not_readable", "32-bit float samples are read from 0 to 1 only; save it with 8 bits")
        return Image.fromarray((samples * 255).round().astype(np.uint8))
    if picture.mode == "I":
        raise BadPicture("not_readable", "samples of 32-bit integers are not read; save it with 8 or 16 bits")
    return picture


def _plain(picture: Image.Image) -> Image.Image:
    """The picture without transparency, in a mode that colours are converted from."""
    info = picture.info
    if picture.mode in ("1", "LA", "La"):
        picture = picture.convert("L")
    elif picture.mode not in ("L", "RGB", "CMYK", "LAB"):
        picture = picture.convert("RGB")
    picture.info = info
    return picture


def _over_white(picture: Image.Image, alpha: Image.Image) -> Image.Image:
    """RGB, with white where it is transparent."""
    return Image.composite(picture.convert("RGB"), Image.new("RGB", picture.size, "white"), alpha)


def encode(
    pixels: np.ndarray,
    format: Format = "png",
    quality: int = 90,
    made: Provenance | None = None,
    replayable: bool = True,
) -> bytes:
    """uint8 [H, W, 1, 3 or 4] -> bytes of an image file, the same bytes for the same arguments; a jpg lies over white.

    Args:
        quality: 1 to 100, for jpg, webp and avif. From `FULL_CHROMA` on, jpg and avif keep colour at full resolution
            (what webp loses is always at half of it).
        made: what is written into the file of how it came about.
        replayable: whether that is enough to make it again.
    """
    if made is not None and format != "png":
        made = made.model_copy(update={"quality": quality})
    xmp = made.xmp(replayable and format != "png") if made else None
    if format == "png":
        return png.write(pixels, {CHUNK: made.text} if made and replayable else None, xmp)
    picture, buffer = _image(pixels), io.BytesIO()
    marked = {"xmp": xmp} if xmp else {}
    if format == "jpg":
        if picture.mode == "RGBA":
            picture = _over_white(picture.convert("RGB"), picture.getchannel("A"))
        subsampling = "4:4:4" if quality >= FULL_CHROMA else "4:2:0"
        picture.save(buffer, "JPEG", quality=quality, subsampling=subsampling, **marked)
    elif format == "webp":
        picture.save(buffer, "WEBP", quality=quality, method=2, **marked)
    else:
        subsampling = "4:4:4" if quality >= FULL_CHROMA else "4:2:0"
        picture.save(buffer, "AVIF", quality=quality, speed=8, max_threads=1, subsampling=subsampling, **marked)
    return buffer.getvalue()


def animate(
    frames: Sequence[np.ndarray],
    format: Animated = "webp",
    fps: float = 8,
    quality: int = 90,
    made: Provenance | None = None,
    durations_ms: Sequence[int] | None = None,
) -> bytes:
    """uint8 [H, W, 1 or 3] each -> bytes of an animation without end. Equal neighbours are stored as one longer frame.

    Frames last as long as `durations_ms` says of each, or all alike as `fps` says.

    A GIF counts time in hundredths of a second and has 256 colours; `quality` (1 to 100) counts for webp. Of what
    `made` the first frame, the animation tells model and weights.
    """
    first, *rest = [_image(pixels) for pixels in frames]
    buffer, xmp = io.BytesIO(), made.xmp(replayable=False) if made else b""
    options = {"quality": quality, "method": 2, "xmp": xmp} if format == "webp" else {}
    duration = round(1000 / fps) if durations_ms is None else list(durations_ms)
    first.save(buffer, format.upper(), save_all=True, append_images=rest, duration=duration, loop=0, **options)
    data = buffer.getvalue()
    return _marked_gif(data, xmp) if xmp and format == "gif" else data


def pixels_of(image: bytes) -> np.ndarray:
    """One of our own encoded images as it is, uint8 [H, W, 1, 3 or 4]; what others send is for `decode`."""
    pixels = np.asarray(Image.open(io.BytesIO(image)))
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def frames_of(data: bytes, max_pixels: int) -> list[tuple[bytes, int]]:
    """Each frame of an animation as a png, and how long it is shown, in ms; of a still picture the file as it is.

    Args:
        max_pixels: of all frames together.

    Raises:
        BadPicture: not a picture, broken, or larger.
    """
    opened = _Opened(io.BytesIO(data), max_pixels)
    count = getattr(opened.picture, "n_frames", 1)
    if count == 1:
        return [(data, 0)]
    width, height = opened.size
    if width * height * count > max_pixels:
        raise BadPicture("too_large", f"{count} frames of {width} x {height} exceed the limit of {max_pixels:,} pixels")
    frames = []
    with _as_bad_picture():
        for frame in ImageSequence.Iterator(opened.picture):
            buffer = io.BytesIO()
            frame.convert("RGBA").save(buffer, "PNG", compress_level=1)
            frames.append((buffer.getvalue(), int(frame.info.get("duration", 0)) or _FRAME_MS))
    return frames


def _marked_gif(data: bytes, xmp: bytes) -> bytes:
    """A GIF with an XMP packet behind its header, in XMP's application extension (ISO 16684-3, 2.2.1).

    Its trailer counts down, so that a reader that takes the packet for blocks ends at the same place.
    """
    table = 3 * 2 ** ((data[10] & 7) + 1) if data[10] & 0x80 else 0
    trailer = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    at = 13 + table
    return data[:at] + XMP_IN_GIF + xmp + trailer + data[at:]


def _image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
