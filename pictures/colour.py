"""Colours as sRGB, whatever a file says that its numbers mean.

An embedded ICC profile is heeded (ICC.1:2022), and a PNG's cICP, sRGB, gAMA and cHRM in the order of precedence of the
PNG specification (third edition, 4.3). The intent is relative colorimetric with black point compensation.
"""

from __future__ import annotations

import struct
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

from pictures.png_chunks import MAX_PROFILE

_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION
_SPACES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK", "LAB": "Lab "}
"""Pillow's modes, and what a profile must say that it is of."""
_SRGB_GAMMA = 1 / 2.2
_SRGB_PRIMARIES = (0.3127, 0.329, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
"""White, red, green and blue, x and y each, as cHRM has them."""
_PRIMARIES = {
    1: _SRGB_PRIMARIES,
    9: (0.3127, 0.329, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    12: (0.3127, 0.329, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
"""By the code points of ITU-T H.273 (table 2): BT.709, BT.2020, Display P3."""
_GAMMAS = {1: None, 4: 2.2, 6: None, 8: 1.0, 13: None, 14: None, 15: None}
"""By the code points of H.273 (table 3); None is the curve of sRGB, by which those of video are shown, too."""
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_D50 = np.array([0.9642, 1.0, 0.8249])


class UnknownColours(ValueError):
    """A file that says its colours in a way that is not read here."""


def to_srgb(picture: Image.Image, cicp: tuple[int, int, int, int] | None = None) -> Image.Image:
    """An opaque picture of 8 bits a channel, in RGB or L of sRGB; the same picture if its file says nothing else.

    Args:
        picture: of mode L, RGB, CMYK or LAB.
        cicp: what a PNG's chunk of that name says.

    Raises:
        UnknownColours: a PNG of high dynamic range.
    """
    profile = _profile_of(picture, cicp)
    if profile is not None:
        transform = _transform(profile, picture.mode)
        if transform is not None:
            return transform.apply(picture)
    if picture.mode == "LAB":
        return _lab().apply(picture)
    return picture if picture.mode in ("L", "RGB") else picture.convert("RGB")


def _profile_of(picture: Image.Image, cicp: tuple[int, int, int, int] | None) -> bytes | None:
    """The profile that says what the numbers mean, embedded or made from what a PNG says; None for sRGB."""
    if cicp is not None:
        primaries, transfer, *_ = cicp
        if primaries not in _PRIMARIES or transfer not in _GAMMAS:
            raise UnknownColours(
                f"its colours are of primaries {primaries} and transfer function {transfer} (cICP), which are not read "
                "here; save it as sRGB"
            )
        return _made(_PRIMARIES[primaries], _GAMMAS[transfer], picture.mode)
    embedded = picture.info.get("icc_profile")
    if embedded:
        return embedded if len(embedded) <= MAX_PROFILE else None
    if "srgb" in picture.info or "gamma" not in picture.info:
        return None
    gamma = picture.info["gamma"]
    return _made(
        tuple(picture.info.get("chromaticity", _SRGB_PRIMARIES)),
        None if abs(gamma - _SRGB_GAMMA) < 0.01 else 1 / gamma if gamma > 0 else None,
        picture.mode,
    )


@lru_cache(maxsize=32)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From a profile's colours to sRGB; None of a profile that is broken or of other channels than the picture."""
    try:
        source = ImageCms.core.profile_frombytes(profile)
        if source.xcolor_space != _SPACES[mode]:
            return None
        # For grey littleCMS tabulates the curve at a few points only, unless it is told not to.
        flags = _FLAGS | ImageCms.Flags.NOOPTIMIZE if mode == "L" else _FLAGS
        return ImageCms.ImageCmsTransform(ImageCms.ImageCmsProfile(source), _srgb(), mode, "RGB", _INTENT, flags=flags)
    except (OSError, ImageCms.PyCMSError, KeyError, TypeError, ValueError):
        return None


@lru_cache(maxsize=1)
def _lab() -> ImageCms.ImageCmsTransform:
    """From CIE L*a*b* of D50, which is what TIFF's are."""
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    return ImageCms.ImageCmsTransform(lab, _srgb(), "LAB", "RGB", _INTENT, flags=_FLAGS)


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@lru_cache(maxsize=32)
def _made(primaries: tuple[float, ...], gamma: float | None, mode: str) -> bytes | None:
    """A profile of these primaries and of a curve, sRGB's if None; None where that is sRGB, or no colours at all."""
    if gamma is None and (mode == "L" or np.allclose(primaries, _SRGB_PRIMARIES, atol=0.001)):
        return None
    curve = _SRGB_CURVE if gamma is None else struct.pack(">4sIHHI", b"para", 0, 0, 0, _fixed(gamma))
    if mode == "L":
        return _profile(b"GRAY", {b"wtpt": _xyz(_D50), b"kTRC": curve})
    try:
        columns = _to_d50(primaries).T
    except (np.linalg.LinAlgError, ZeroDivisionError):
        return None
    tags = {b"wtpt": _xyz(_D50)}
    for name, column in zip((b"r", b"g", b"b"), columns, strict=True):
        tags[name + b"XYZ"], tags[name + b"TRC"] = _xyz(column), curve
    return _profile(b"RGB ", tags)


def _to_d50(primaries: tuple[float, ...]) -> np.ndarray:
    """[3, 3]: linear RGB of these primaries to XYZ of D50, by Bradford (ICC.1:2022, annex E)."""
    points = np.array([(x / y, 1.0, (1 - x - y) / y) for x, y in zip(primaries[::2], primaries[1::2], strict=True)])
    white, colours = points[0], points[1:].T
    to_white = colours * np.linalg.solve(colours, white)
    scale = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white))
    return np.linalg.inv(_BRADFORD) @ scale @ _BRADFORD @ to_white


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A display profile of version 4 (ICC.1:2022, 7.2 and 7.3)."""
    table, data, offset = b"", b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += struct.pack(">4sII", name, offset + len(data), len(content))
        data += content + b"\0" * (-len(content) % 4)
    size = offset + len(data)
    head = struct.pack(">I4sI4s4s4s12s4s", size, b"", 0x04300000, b"mntr", space, b"XYZ ", b"", b"acsp")
    head += b"\0" * 28 + struct.pack(">iii", *(_fixed(value) for value in _D50))
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data


def _xyz(values: np.ndarray) -> bytes:
    return struct.pack(">4sIiii", b"XYZ ", 0, *(_fixed(value) for value in values))


def _fixed(value: float) -> int:
    """s15Fixed16Number."""
    return round(float(value) * 65536)


_SRGB_CURVE = struct.pack(
    ">4sIHHiiiii", b"para", 0, 3, 0, *(_fixed(value) for value in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045))
)
"""IEC 61966-2-1."""
