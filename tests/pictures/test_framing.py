"""Pictures of any size, on a canvas of one size and off it again."""

import io

import numpy as np
import pytest
from PIL import Image

from pictures import codec, composition
from pictures.formats import ImageFormat
from pictures.framing import MAX_SIDE, MAX_TILES, Frame, TooManyTiles

WANTED = ImageFormat(height=32, width=32, channels=3)
CANVAS = (32, 32)
FITS = ("contain", "cover", "stretch", "tile")
SIZES = [(1, 1), (1, 70), (31, 33), (32, 32), (33, 31), (100, 41), (41, 100), (150, 150)]


def gradient(width: int, height: int) -> Image.Image:
    """Red grows to the right, green downwards."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, width)
    pixels[..., 1] = np.linspace(0, 255, height)[:, None]
    return Image.fromarray(pixels)


def file_of(image: Image.Image, format: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def through(data: bytes, fit: str, side: int | None = None) -> tuple[np.ndarray, Frame]:
    """A picture's way through a network that changes nothing."""
    pixels, frame = codec.decode_framed(data, WANTED, 20_000_000, fit, side)
    canvases = frame.cut(pixels)
    assert {canvas.shape for canvas in canvases} == {(32, 32, 3)}
    assert len(canvases) == frame.tiles
    return frame.restore(frame.join(np.stack(canvases))), frame


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("fit", FITS)
def test_the_answer_has_the_pictures_own_size(fit, size):
    answer, _ = through(file_of(gradient(*size)), fit)
    expected = (min(size), min(size)) if fit == "cover" else size
    assert answer.shape == (expected[1], expected[0], 3)


@pytest.mark.parametrize("fit", ["contain", "stretch", "tile"])
@pytest.mark.parametrize("size", [(33, 31), (100, 41), (41, 100), (150, 150)])
def test_a_network_that_changes_nothing_gives_the_picture_back(fit, size):
    given = gradient(*size)
    answer, _ = through(file_of(given), fit)
    off = np.abs(answer.astype(int) - np.asarray(given))
    assert off.max() <= (0 if fit == "tile" else 9)


def test_cover_takes_the_centre():
    given = gradient(90, 30)
    answer, _ = through(file_of(given), "cover")
    assert np.abs(answer.astype(int) - np.asarray(given)[:, 30:60]).max() <= 9


@pytest.mark.parametrize("fit", FITS)
def test_the_side_that_is_asked_for_is_the_longer_one_and_the_aspect_stays(fit):
    answer, _ = through(file_of(gradient(60, 30)), fit, side=80)
    assert answer.shape[:2] == ((80, 80) if fit == "cover" else (40, 80))


def test_contain_fills_up_by_reflection():
    pixels, frame = codec.decode_framed(file_of(gradient(64, 16)), WANTED, 10_000, "contain", None)
    assert pixels.shape == (8, 32, 3)
    (canvas,) = frame.cut(pixels)
    assert np.array_equal(canvas[12:20], pixels)
    assert np.array_equal(canvas[11], pixels[0])
    assert np.array_equal(canvas[20], pixels[-1])


def test_tiles_fade_into_each_other():
    frame = Frame.of((80, 32), CANVAS, "tile", None)
    shades = np.linspace(50, 200, frame.tiles)
    joined = frame.join([np.full((32, 32, 1), shade, np.uint8) for shade in shades])[..., 0].astype(int)
    assert (joined[0] == joined[-1]).all()
    assert (joined[0, 0], joined[0, -1]) == (50, 200)
    steps = np.diff(joined[0])
    assert steps.min() >= 0
    assert steps.max() < (shades[1] - shades[0]) / 4


def test_too_many_tiles_are_refused_with_a_side_that_is_not():
    with pytest.raises(TooManyTiles, match="take 221 tiles, and 64 are the most") as caught:
        Frame.of((400, 300), CANVAS, "tile", None)
    side = int(str(caught.value).split("`side` of up to ")[1].split(",")[0])
    assert Frame.of((400, 300), CANVAS, "tile", side).tiles <= MAX_TILES
    with pytest.raises(TooManyTiles):
        Frame.of((400, 300), CANVAS, "tile", side + 1)
    with pytest.raises(TooManyTiles, match="take 884 tiles"):
        Frame.of((400, 300), CANVAS, "tile", None, answers=4)
    assert Frame.of((400, 300), CANVAS, "contain", None, answers=64).tiles == 1


@pytest.mark.parametrize("fit", ["contain", "cover", "stretch"])
def test_a_huge_picture_comes_back_no_longer_than_the_limit(fit):
    answer, _ = through(file_of(Image.new("1", (5000, 3000), 1)), fit)
    assert max(answer.shape) == MAX_SIDE
    assert answer.min() > 250


@pytest.mark.parametrize("fit", FITS)
def test_exif_orientation_counts_before_the_size(fit):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right by a quarter
    upright = gradient(40, 90)
    sideways = upright.transpose(Image.Transpose.ROTATE_90)
    turned, _ = through(file_of(sideways, "JPEG", exif=exif, quality=98, subsampling=0), fit)
    straight, _ = through(file_of(upright), fit)
    assert turned.shape == straight.shape
    assert np.abs(turned.astype(int) - straight).mean() < 4


@pytest.mark.parametrize("fit", FITS)
def test_alpha_lies_over_white_and_16_bits_become_8(fit):
    clear = Image.new("RGBA", (50, 20), (0, 0, 0, 0))
    deep = Image.fromarray(np.full((20, 50), 65535 // 2, np.uint16))
    assert through(file_of(clear), fit)[0].min() == 255
    assert np.abs(through(file_of(deep), fit)[0].astype(int) - 127).max() <= 1


def test_a_heat_map_goes_from_black_to_white():
    values = np.array([[0, 0.02, 0.1, 0.2, 1 / 3, 1]])
    coloured, grey = composition.heat_map(values), composition.heat_map(values, channels=1)
    assert coloured[0, 0].tolist() == [0, 0, 0]
    assert coloured[0, -2:].min() == 255
    assert coloured[0, 2].tolist()[1:] == [0, 0]
    assert (np.diff(grey[0, :5, 0].astype(int)) > 0).all()
