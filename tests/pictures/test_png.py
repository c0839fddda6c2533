"""The PNG writer: what any reader reads back."""

import io

import numpy as np
import pytest
from PIL import Image

from pictures import png


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 3), (28, 28, 1), (5, 7, 3), (64, 64, 3)])
@pytest.mark.parametrize("level", [0, 1, 3])
def test_pixels_come_back_as_they_were(shape, level):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    read = Image.open(io.BytesIO(png.write(pixels, level=level)))
    read.verify()
    read = np.asarray(Image.open(io.BytesIO(png.write(pixels, level=level))))
    assert np.array_equal(read.reshape(shape), pixels)


def test_a_view_of_other_strides_is_written_as_it_looks():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 9), np.uint8).transpose(1, 2, 0)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png.write(pixels)))), pixels)


def test_texts_of_any_script_are_kept():
    texts = {"easel": '{"seed": 1}', "comment": "größer", "name": "絵"}
    read = Image.open(io.BytesIO(png.write(np.zeros((2, 2, 3), np.uint8), texts)))
    assert read.text == texts


def test_a_smooth_picture_compresses_well():
    ramp = np.linspace(0, 255, 128).astype(np.uint8)
    picture = np.stack([ramp[:, None] + ramp[None, :] * 0] * 3, axis=2)
    assert len(png.write(picture)) < picture.size / 20
