"""What a picture takes is judged from its header; what is not ordinary is decoded with a budget, in its own process."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from pictures import codec, decoder
from pictures.codec import BadPicture
from pictures.formats import ImageFormat
from pictures.framing import Framing, TooLargePicture
from tests.pictures.hostile import jpeg_of_scans, png_of_one_column, tiff_of_one_tile

MOST = 16_000_000
GIB = 2**30
WANTED = ImageFormat(height=16, width=16, channels=3)


def encoded(kind, size=(64, 48), **options):
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(noise).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data, ordinary",
    [
        (encoded("PNG"), True),
        (encoded("JPEG"), True),
        (encoded("JPEG", progressive=True), True),
        (encoded("WEBP"), True),
        (encoded("TIFF"), False),
        (encoded("AVIF", speed=10), False),
        (jpeg_of_scans(50, side=64), False),
        (jpeg_of_scans(9, side=4000), False),
        (png_of_one_column(20_000), False),
        (png_of_one_column(16_000), True),
    ],
)
def test_a_header_tells_whether_a_picture_is_ordinary(data, ordinary):
    assert codec.is_ordinary(io.BytesIO(data), MOST) is ordinary


def test_more_scans_than_any_encoder_makes_are_refused_before_they_are_decoded():
    with pytest.raises(BadPicture, match="700 scans") as refused:
        codec.inspect(io.BytesIO(jpeg_of_scans(700)), MOST)
    assert refused.value.reason == "picture_too_costly"


def test_a_tile_larger_than_a_picture_may_be_is_refused_before_it_is_decoded():
    with pytest.raises(BadPicture, match="26000 x 26000") as refused:
        codec.inspect(io.BytesIO(tiff_of_one_tile(26_000)), MOST)
    assert refused.value.reason == "picture_too_costly"


def in_process(function, data, *arguments, memory=2 * GIB, seconds=10):
    """What a process answers, or its status where it has none."""
    command = [sys.executable, "-m", "pictures.decoder", str(memory), str(seconds)]
    ended = subprocess.run(command, input=decoder.packed(function, data, *arguments), capture_output=True, timeout=60)
    return decoder.unpacked(ended.stdout) if ended.returncode == 0 else ended.returncode


def test_a_process_answers_as_the_function_does():
    data = encoded("TIFF")
    assert in_process("inspect", data, MOST) == (64, 48, "image/tiff")
    assert np.array_equal(in_process("decode", data, WANTED, MOST), codec.decode(data, WANTED, MOST))
    mask = in_process("decode_mask", data, MOST)
    assert mask.dtype == bool and np.array_equal(mask, codec.decode_mask(data, MOST))
    framing = Framing("contain")
    pixels, frame = in_process("decode_framed", data, WANTED, MOST, framing)
    expected, of = codec.decode_framed(data, WANTED, MOST, framing)
    assert frame == of and np.array_equal(pixels, expected)


@pytest.mark.parametrize("reason, data", [("truncated", encoded("TIFF")[:2000]), ("not_an_image", b"words")])
def test_a_process_refuses_as_the_function_does(reason, data):
    with pytest.raises(BadPicture) as refused:
        in_process("inspect", data, MOST)
    assert refused.value.reason == reason


def test_a_process_tells_of_too_large_an_answer():
    with pytest.raises(TooLargePicture):
        in_process("decode_framed", encoded("PNG", (400, 300)), WANTED, MOST, Framing("tile", side=2048))


def test_memory_and_time_have_an_end():
    column = png_of_one_column(MOST)
    with pytest.raises(BadPicture) as refused:
        in_process("decode_kept", column, WANTED, MOST, memory=400 * 2**20)
    assert refused.value.reason == "picture_too_costly"
    assert in_process("inspect", jpeg_of_scans(100), MOST, seconds=1) != 0


def test_what_a_process_says_is_not_believed_blindly():
    for answer in (b"", b"\0" * 8 + b"x", decoder._packed_answer(failed="anything", detail="")):
        with pytest.raises((ValueError, KeyError)):
            decoder.unpacked(answer)
