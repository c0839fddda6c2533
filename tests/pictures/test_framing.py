"""Pictures of any size, on a canvas of one size and off it again."""

import io

import numpy as np
import pytest
from PIL import Image

from pictures import codec, composition, framing
from pictures.formats import ImageFormat
from pictures.framing import MAX_SIDE, MAX_TILES, Frame, Framing, Native, TooManyPixels, TooManyTiles

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
    pixels, frame = codec.decode_framed(data, WANTED, 20_000_000, Framing(fit, side))
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
    pixels, frame = codec.decode_framed(file_of(gradient(64, 16)), WANTED, 10_000, Framing("contain"))
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


TILED = Native(multiple=4, least=8, reach=3, whole=32 * 32, limit=40_000, pass_bytes=1)
WHOLE = Native(multiple=4, least=8, whole=1600, limit=1600, pass_bytes=1)


def smeared(pixels: np.ndarray, reach: int, scale: int = 1) -> np.ndarray:
    """What a network might make: of every fourth pixel's surroundings, and beyond its input it sees nothing."""
    height, width = pixels.shape[:2]
    padded = np.pad(pixels.astype(int), ((reach, reach), (reach, reach), (0, 0)))
    shifted = [padded[i : i + height, i : i + width] * (i + 1) for i in (0, reach, 2 * reach)]
    made = sum(shifted) % 251
    made[::4, ::4] = 7
    return np.repeat(np.repeat(made, scale, 0), scale, 1).astype(np.uint8)


@pytest.mark.parametrize("size", [(1, 1), (7, 30), (32, 32), (33, 31), (150, 40), (129, 131), (200, 9)])
@pytest.mark.parametrize("scale", [1, 3])
def test_tiles_of_a_picture_at_its_own_size_make_what_the_whole_makes(size, scale):
    pixels = np.asarray(gradient(*size))[::-1]
    tiled = Frame.native(size, TILED, scale=scale)
    whole = Frame.native(size, TILED.model_copy(update={"whole": 200 * 200}), scale=scale)
    assert whole.tiles == 1
    assert (tiled.tiles > 1) == (max(size) > 32)
    joined = [
        frame.restore(frame.join([smeared(tile, 3, scale) for tile in frame.cut(pixels)])) for frame in (tiled, whole)
    ]
    assert joined[0].shape == (size[1] * scale, size[0] * scale, 3)
    assert np.array_equal(*joined)
    assert {canvas.shape[:2] for canvas in tiled.cut(pixels)} == {tiled.canvas[::-1]}
    assert all(side % 4 == 0 and side >= 8 for side in tiled.canvas)
    assert tiled.canvas[0] * tiled.canvas[1] <= TILED.whole


def test_a_network_that_averages_over_the_picture_takes_it_whole():
    assert Frame.native((39, 40), WHOLE).tiles == 1
    with pytest.raises(TooManyPixels, match="largest picture of this shape that it takes is 39 x 40"):
        Frame.native((78, 80), WHOLE)


@pytest.mark.parametrize(
    ("size", "options"),
    [((201, 200), {}), ((400, 300), {}), ((300, 400), {"answers": 4}), ((3, 9000), {}), ((40, 10), {"side": 4000})],
)
def test_too_large_a_picture_is_told_the_largest_that_goes(size, options):
    with pytest.raises(TooManyPixels) as caught:
        Frame.native(size, TILED, **options)
    told = tuple(map(int, str(caught.value).split("it takes is ")[1].split(" x ")))
    answers = options.get("answers", 1)
    assert Frame.native(size, TILED, side=max(told), answers=answers).inner == told
    with pytest.raises(TooManyPixels):
        Frame.native(size, TILED, side=max(told) + 1, answers=answers)


def test_the_answer_has_a_bound_of_its_own(monkeypatch):
    monkeypatch.setattr(framing, "MAX_ANSWER", 100 * 100)
    assert Frame.native((50, 50), TILED, scale=2).width == 100
    with pytest.raises(TooManyPixels, match=r"51 x 50 pixels, enlarged 2 times: more .* takes is 50 x 49"):
        Frame.native((51, 50), TILED, scale=2)


def test_a_picture_at_its_own_size_can_be_asked_for_at_another():
    assert Frame.native((100, 50), TILED, side=40).inner == (40, 20)


def test_a_frame_tells_a_worker_all_it_has_to_know():
    frame = Frame.native((150, 40), TILED, scale=2).model_copy(update={"alpha": True})
    assert Frame.model_validate_json(frame.model_dump_json()) == frame


def test_a_model_takes_the_frames_that_its_card_says():
    frame = Frame.native((150, 40), TILED)
    assert frame.suits((1, 1), TILED)
    assert not frame.suits((32, 32), None)
    assert not frame.suits((32, 32), TILED.model_copy(update={"whole": 200}))
    assert Frame.of((50, 20), CANVAS, "contain", None).suits(CANVAS, None)
    assert not Frame.of((50, 20), CANVAS, "contain", None).suits((28, 28), TILED)


def test_large_pictures_count_as_many():
    assert Frame.native((100, 100), TILED.model_copy(update={"whole": 10_000})).images == 1
    large = Native(whole=2**21, limit=2**21, pass_bytes=1)
    assert Frame.native((1024, 1024), large).images == 16
    assert Frame.of((80, 32), CANVAS, "tile", None).images == 3


FADING = np.dstack([np.full((20, 50, 3), (200, 30, 60), np.uint8), np.tile(np.linspace(0, 255, 50), (20, 1)).round()])
"""A colour that comes out of nothing, from the left to the right."""


@pytest.mark.parametrize("scale", [1, 2])
def test_transparency_is_kept_where_it_is_asked_for(scale):
    data = file_of(Image.fromarray(FADING.astype(np.uint8)))
    framing = Framing("native", native=TILED, scale=scale, transparent=True)
    pixels, frame = codec.decode_framed(data, WANTED, 10_000, framing)
    assert frame.alpha and pixels.shape == (20, 50, 4)
    canvases = frame.cut(pixels)
    assert canvases[0].shape[2] == 3
    enlarged = [tile.repeat(scale, axis=0).repeat(scale, axis=1) for tile in canvases]
    answer = frame.restore(frame.join(enlarged), pixels)
    assert answer.shape == (20 * scale, 50 * scale, 4)
    seen = answer[..., 3] > 60
    assert np.abs(answer[seen][:, :3].astype(int) - (200, 30, 60)).max() <= 8
    assert np.abs(answer[::scale, ::scale, 3].astype(int) - FADING[..., 3]).max() <= 6
    assert (answer[:, 0, :3] == 255).all()


@pytest.mark.parametrize("transparent", [True, False])
def test_an_opaque_picture_has_no_transparency(transparent):
    framing = Framing("native", native=TILED, transparent=transparent)
    opaque = file_of(Image.new("RGBA", (20, 10), (1, 2, 3, 255)))
    pixels, frame = codec.decode_framed(opaque, WANTED, 10_000, framing)
    assert not frame.alpha and pixels.shape == (10, 20, 3)
    clear = file_of(Image.new("RGBA", (20, 10), (1, 2, 3, 0)))
    assert codec.decode_framed(clear, WANTED, 10_000, framing)[1].alpha == transparent


def test_what_is_too_large_is_told_before_it_is_decoded():
    whole = file_of(gradient(300, 300), "JPEG")
    with pytest.raises(TooManyPixels):
        codec.decode_framed(whole[: len(whole) // 2], WANTED, 100_000, Framing("native", native=TILED))
