"""Whatever a file says that its numbers mean, a network sees sRGB."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from pictures import codec, colour
from pictures.codec import BadPicture
from pictures.formats import ImageFormat
from pictures.png_chunks import SIGNATURE

P3 = colour._made(colour._PRIMARIES[12], None, "RGB")
"""Display P3: its primaries, sRGB's curve."""
TO_SRGB = np.array([[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0196, -0.0786, 1.0979]])
"""Linear Display P3 to linear sRGB."""


def linear(values):
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def curved(values):
    values = values.clip(0, 1)
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)


def colours(side=16):
    """Muted colours, all within both gamuts. uint8 [side, side, 3]."""
    random = np.random.default_rng(0)
    return random.integers(90, 166, (side, side, 3), np.uint8)


def decode(data, channels=3, side=16):
    return codec.decode(data, ImageFormat(height=side, width=side, channels=channels), 1_000_000).astype(int)


def encoded(pixels, format="PNG", mode=None, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels, mode).save(buffer, format, **options)
    return buffer.getvalue()


def with_chunks(data, *chunks):
    """A PNG with chunks put behind its header."""
    made = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    return data[:33] + made + data[33:]


@pytest.mark.parametrize(
    ("format", "options"),
    [
        ("PNG", {}),
        ("TIFF", {}),
        ("WEBP", {"lossless": True}),
        ("AVIF", {"quality": 100, "subsampling": "4:4:4"}),
        ("JPEG", {"quality": 100, "subsampling": 0}),
    ],
)
def test_an_embedded_profile_is_heeded_in_every_format(format, options):
    pixels = colours()
    expected = curved(linear(pixels / 255) @ TO_SRGB.T) * 255
    made = decode(encoded(pixels, format, icc_profile=P3, **options))
    assert np.abs(made - expected).max() <= (2 if format in ("PNG", "TIFF", "WEBP") else 5)
    assert np.abs(decode(encoded(pixels, format, **options)) - expected).max() > 8  # what it would be without


def test_it_is_as_little_cms_has_it_relative_colorimetric_with_black_point_compensation():
    saturated = np.random.default_rng(1).integers(0, 256, (16, 16, 3), np.uint8)
    expected = ImageCms.profileToProfile(
        Image.fromarray(saturated),
        ImageCms.ImageCmsProfile(io.BytesIO(P3)),
        ImageCms.createProfile("sRGB"),
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert np.abs(decode(encoded(saturated, icc_profile=P3)) - np.asarray(expected)).max() <= 2


def test_a_grey_profile_is_heeded():
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    straight = colour._made(colour._SRGB_PRIMARIES, 1.0, "L")
    expected = curved(pixels / 255) * 255
    for channels in (1, 3):
        made = decode(encoded(pixels, icc_profile=straight), channels)
        assert np.abs(made - expected[:, :, None]).max() <= 2


def test_cmyk_is_read_by_its_profile():
    inks = np.zeros((16, 16, 4), np.uint8)
    inks[:8, :, 0] = inks[8:, :, 3] = 255  # cyan above black
    printed = [
        np.asarray(colour.to_srgb(Image.new("LAB", (1, 1), lab)))[0, 0] for lab in ((153, 98, 88), (51, 128, 128))
    ]
    buffer = io.BytesIO()
    picture = Image.frombytes("CMYK", (16, 16), inks.tobytes())
    picture.save(buffer, "TIFF", icc_profile=_cmyk_profile(cyan=(60, -30, -40), black=(20, 0, 0)))
    made = decode(buffer.getvalue())
    assert np.abs(made[[0, 15], 0] - np.array(printed, int)).max() <= 3
    picture.save(buffer := io.BytesIO(), "TIFF")
    assert decode(buffer.getvalue())[0, 0].tolist() == [0, 255, 255]  # nothing said: ink takes its complement away


def test_lab_is_read():
    buffer = io.BytesIO()
    Image.new("LAB", (16, 16), (136, 128, 128)).save(buffer, "TIFF")
    made = decode(buffer.getvalue())
    assert np.ptp(made) <= 2
    assert abs(made.mean() - 126) <= 3


@pytest.mark.parametrize("profile", [b"no profile", P3[:100], P3[:16] + b"GRAY" + P3[20:]])
def test_a_profile_that_is_broken_or_of_other_channels_is_ignored(profile):
    pixels = colours()
    assert np.array_equal(decode(encoded(pixels, icc_profile=profile)), pixels)


def test_transparency_is_laid_over_white_after_the_colours_are_converted():
    pixels = np.dstack([colours(), np.full((16, 16), 255, np.uint8)])
    pixels[:8, :, 3] = 0
    made = decode(encoded(pixels, icc_profile=P3))
    assert (made[:8] == 255).all()
    assert np.abs(made[8:] - curved(linear(pixels[8:, :, :3] / 255) @ TO_SRGB.T) * 255).max() <= 2


def test_gama_says_another_curve_than_srgb():
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16).repeat(3).reshape(16, 16, 3)
    straight = with_chunks(encoded(pixels), (b"gAMA", struct.pack(">I", 100_000)))
    assert np.abs(decode(straight) - curved(pixels / 255) * 255).max() <= 2
    usual = with_chunks(encoded(pixels), (b"gAMA", struct.pack(">I", 45_455)))
    assert np.array_equal(decode(usual), pixels)


def test_chrm_says_other_primaries_and_srgb_goes_before_both():
    pixels = colours()
    chunks = (b"gAMA", struct.pack(">I", 45_455)), (b"cHRM", _chrm(colour._PRIMARIES[12]))
    expected = curved(linear(pixels / 255) @ TO_SRGB.T) * 255
    assert np.abs(decode(with_chunks(encoded(pixels), *chunks)) - expected).max() <= 2
    assert np.array_equal(decode(with_chunks(encoded(pixels), (b"sRGB", b"\0"), *chunks)), pixels)


def test_cicp_goes_before_a_profile():
    pixels = colours()
    says = with_chunks(encoded(pixels, icc_profile=P3), (b"cICP", bytes([1, 13, 0, 1])))
    assert np.array_equal(decode(says), pixels)
    wide = with_chunks(encoded(pixels), (b"cICP", bytes([12, 13, 0, 1])))
    assert np.abs(decode(wide) - curved(linear(pixels / 255) @ TO_SRGB.T) * 255).max() <= 2
    with pytest.raises(BadPicture, match="transfer function 16") as caught:
        decode(with_chunks(encoded(pixels), (b"cICP", bytes([9, 16, 0, 1]))))
    assert caught.value.reason == "not_readable"


def test_metadata_of_any_size_or_none_decides_no_pixel():
    pixels = colours()
    plain = encoded(pixels)
    assert plain.startswith(SIGNATURE)
    huge = b"workflow\0\0" + zlib.compress(b"x" * 3_000_000)
    assert np.array_equal(decode(with_chunks(plain, (b"zTXt", huge))), pixels)
    profile = b"p\0\0" + zlib.compress(P3 + bytes(2_000_000))
    assert np.array_equal(decode(with_chunks(plain, (b"iCCP", profile))), pixels)
    broken = bytearray(with_chunks(plain, (b"tEXt", b"Comment\0hello")))
    broken[33 + 8 + 13] ^= 0xFF  # its checksum
    assert np.array_equal(decode(bytes(broken)), pixels)


def test_a_broken_checksum_of_the_pixels_themselves_is_told():
    data = bytearray(encoded(colours()))
    data[data.index(b"IDAT") + 10] ^= 0xFF
    with pytest.raises(BadPicture) as caught:
        decode(bytes(data))
    assert caught.value.reason == "truncated"


def _chrm(primaries):
    return struct.pack(">8I", *(round(value * 100_000) for value in primaries))


def _cmyk_profile(cyan, black):
    """A printer's profile whose table has 2 steps an ink: paper where there is none, and what the inks come to."""

    def lab8(lightness, a, b):
        return bytes([round(lightness * 255 / 100), a + 128, b + 128])

    nodes = b""
    for index in range(16):  # the last ink varies fastest
        c, k = index >> 3 & 1, index & 1
        nodes += lab8(*black) if k else lab8(*cyan) if c else lab8(100, 0, 0)
    identity = struct.pack(">9i", *(65536 * value for value in (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    steps = bytes(range(256))
    table = b"mft1" + b"\0" * 4 + bytes([4, 3, 2, 0]) + identity + steps * 4 + nodes + steps * 3
    tags = {b"wtpt": colour._xyz(colour._D50), b"A2B0": table, b"A2B1": table}
    made = bytearray(colour._profile(b"CMYK", tags))
    made[8:12], made[12:16], made[20:24] = struct.pack(">I", 0x02400000), b"prtr", b"Lab "
    return bytes(made)
