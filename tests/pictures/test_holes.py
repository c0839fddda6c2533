"""Holes in pictures of any size: what is known stays to the last bit, and what is hidden is not shown."""

import io

import numpy as np
import pytest
from PIL import Image

from pictures import codec
from pictures.formats import ImageFormat
from pictures.holes import MAX_CROPS, BadMask, Holes

WANTED = {1: ImageFormat(height=32, width=32, channels=1), 3: ImageFormat(height=32, width=32, channels=3)}
CANVAS = 32


def noise(width, height, channels, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


def mask_of(width, height, *boxes):
    """Left, top, right and bottom of each."""
    mask = np.zeros((height, width), bool)
    for left, top, right, bottom in boxes:
        mask[top:bottom, left:right] = True
    return mask


def file_of(pixels, format="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(buffer, format, **options)
    return buffer.getvalue()


def random_mask(width, height, generator):
    """Some boxes, one pixel at least, and not all."""
    while True:
        mask = np.zeros((height, width), bool)
        for _ in range(generator.integers(1, 5)):
            left, top = generator.integers(0, width), generator.integers(0, height)
            across, down = generator.integers(1, width // 2 + 2), generator.integers(1, height // 2 + 2)
            mask[top : top + down, left : left + across] = True
        if mask.any() and not mask.all():
            return mask


@pytest.mark.parametrize("hole", [0, 16])
@pytest.mark.parametrize("seed", range(30))
def test_a_pixel_outside_the_mask_keeps_its_value_and_every_other_is_filled(seed, hole):
    generator = np.random.default_rng(seed)
    width, height = (int(side) for side in generator.integers(2, 140, 2))
    channels = int(generator.choice([1, 3, 4]))
    picture, mask = noise(width, height, channels, seed), random_mask(width, height, generator)
    wanted = WANTED[1 if channels == 1 else int(generator.choice([1, 3]))]
    holes = Holes.of(mask, channels, CANVAS, hole)
    parts = holes.cut(picture, mask, wanted)
    assert {shown.shape for shown, _ in parts} == {(CANVAS, CANVAS, wanted.channels)}
    filled = holes.fill(picture, mask, [np.full_like(shown, 77) for shown, _ in parts])
    assert filled.dtype == np.uint8
    assert np.array_equal(filled[~mask], picture[~mask])
    assert (filled[mask][:, :3] == 77).all()
    if channels == 4:
        assert (filled[mask][:, 3] == 255).all()


@pytest.mark.parametrize("hole", [0, 16])
@pytest.mark.parametrize("seed", range(20))
def test_nothing_of_what_is_hidden_shows(seed, hole):
    generator = np.random.default_rng(seed)
    width, height = (int(side) for side in generator.integers(20, 200, 2))
    mask = random_mask(width, height, generator)
    picture = noise(width, height, 3, seed)
    other = picture.copy()
    other[mask] = 255 - other[mask]
    holes = Holes.of(mask, 3, CANVAS, hole)
    for one, two in zip(*(holes.cut(each, mask, WANTED[3]) for each in (picture, other)), strict=True):
        assert all(map(np.array_equal, one, two))


def test_a_pixel_that_the_network_sees_is_hidden_if_any_part_of_it_is():
    picture, mask = noise(64, 64, 3), mask_of(64, 64, (5, 5, 58, 58))
    ((_, hidden),) = Holes.of(mask, 3, CANVAS).cut(picture, mask, WANTED[3])
    assert np.array_equal(hidden[:, :, 0] > 0, mask_of(32, 32, (2, 2, 29, 29)))
    mask = mask_of(64, 64, (5, 5, 59, 59))
    ((_, hidden),) = Holes.of(mask, 3, CANVAS).cut(picture, mask, WANTED[3])
    assert np.array_equal(hidden[:, :, 0] > 0, mask_of(32, 32, (2, 2, 30, 30)))


@pytest.mark.parametrize("hole", [0, 16])
def test_a_network_that_knows_the_truth_gives_it_back_at_the_pictures_own_scale(hole):
    """Where holes are small, what the network sees is not scaled."""
    picture = noise(100, 70, 3)
    mask = mask_of(100, 70, (10, 5, 22, 15), (60, 40, 75, 55))
    holes = Holes.of(mask, 3, CANVAS, hole)
    assert [crop.side for crop in holes.crops] == [CANVAS, CANVAS]
    truths = Holes.cut(holes, picture, np.zeros_like(mask), WANTED[3])
    assert np.array_equal(holes.fill(picture, mask, [shown for shown, _ in truths]), picture)


def test_a_picture_of_the_networks_size_is_shown_as_it_is():
    picture, mask = noise(32, 32, 3), mask_of(32, 32, (8, 8, 24, 24))
    for hole in (0, 16):
        ((shown, hidden),) = Holes.of(mask, 3, CANVAS, hole).cut(picture, mask, WANTED[3])
        assert np.array_equal(shown[~mask], picture[~mask])
        assert np.array_equal(hidden[:, :, 0] > 0, mask)


def test_holes_far_from_each_other_are_shown_each_and_near_ones_together():
    far = mask_of(300, 200, (10, 10, 20, 20), (250, 150, 260, 160))
    near = mask_of(300, 200, (10, 10, 15, 15), (18, 18, 22, 22))
    assert len(Holes.of(far, 3, CANVAS).crops) == 2
    assert len(Holes.of(near, 3, CANVAS).crops) == 1


def test_a_scratch_is_filled_in_parts_and_a_large_hole_at_once():
    scratch, large = mask_of(400, 300, (20, 100, 380, 106)), mask_of(400, 300, (100, 50, 300, 250))
    crops = Holes.of(scratch, 3, CANVAS).crops
    assert len(crops) == MAX_CROPS and max(crop.side for crop in crops) <= 2 * CANVAS
    (crop,) = Holes.of(large, 3, CANVAS).crops
    assert crop.side == 400


def test_a_mask_of_dots_takes_no_more_parts_than_may_be():
    mask = np.zeros((400, 400), bool)
    mask[::20, ::20] = True
    holes = Holes.of(mask, 3, CANVAS)
    assert len(holes.crops) == MAX_CROPS
    picture = noise(400, 400, 3)
    filled = holes.fill(picture, mask, [shown for shown, _ in holes.cut(picture, mask, WANTED[3])])
    assert np.array_equal(filled[~mask], picture[~mask])


@pytest.mark.parametrize("seed", range(20))
def test_where_holes_are_confined_to_the_middle_each_part_of_the_mask_lies_there(seed):
    generator = np.random.default_rng(seed)
    width, height = (int(side) for side in generator.integers(5, 150, 2))
    mask = random_mask(width, height, generator)
    holes = Holes.of(mask, 3, CANVAS, 16)
    reached = np.zeros_like(mask)
    for crop in holes.crops:
        around = (crop.side - crop.side * 16 / CANVAS) / 2
        first, last = int(np.floor(around)), int(np.ceil(crop.side - around))
        rows = slice(max(crop.top + first, 0), max(crop.top + last, 0))
        columns = slice(max(crop.left + first, 0), max(crop.left + last, 0))
        reached[rows, columns] = True
    assert reached[mask].all()


@pytest.mark.parametrize(("fill", "words"), [(False, "no pixel"), (True, "every pixel")])
@pytest.mark.parametrize("size", [(1, 1), (40, 30)])
def test_a_mask_must_mark_something_and_leave_something(size, fill, words):
    with pytest.raises(BadMask, match=words):
        Holes.of(np.full(size, fill), 3, CANVAS)


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3), ("RGBA", 4)])
def test_a_kept_picture_has_the_very_pixels_of_its_file(mode, channels):
    pixels = noise(50, 40, channels)
    kept = codec.decode_kept(file_of(pixels), WANTED[1 if mode == "L" else 3], 10_000)
    assert np.array_equal(kept, pixels)


def test_a_kept_picture_has_colours_if_it_or_the_model_has_some():
    grey, opaque = noise(9, 9, 1), noise(9, 9, 4)
    opaque[:, :, 3] = 255
    assert codec.decode_kept(file_of(grey), WANTED[3], 100).shape == (9, 9, 3)
    assert codec.decode_kept(file_of(noise(9, 9, 3)), WANTED[1], 100).shape == (9, 9, 3)
    assert np.array_equal(codec.decode_kept(file_of(opaque), WANTED[3], 100), opaque[:, :, :3])


def test_a_turned_photograph_and_its_mask_are_kept_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = noise(20, 10, 3)
    assert np.array_equal(codec.decode_kept(file_of(pixels, exif=exif), WANTED[3], 300), np.rot90(pixels, -1))
    marked = mask_of(20, 10, (0, 0, 4, 2))
    turned = codec.decode_mask(file_of(np.uint8(255) * marked, exif=exif), 300)
    assert np.array_equal(turned, np.rot90(marked, -1))


def test_a_mask_marks_what_is_white_or_if_anything_is_transparent_that():
    marked = mask_of(12, 8, (3, 2, 7, 5))
    white = np.uint8(255) * marked
    bright = np.full((8, 12, 4), 255, np.uint8)
    bright[marked, 3] = 0
    opaque = np.dstack([white, white, white, np.full_like(white, 255)])
    for pixels in (white, bright, opaque):
        assert np.array_equal(codec.decode_mask(file_of(pixels), 100), marked)
    assert np.array_equal(codec.decode_mask(file_of(bright), 100, seen_through=True), marked)
    assert not codec.decode_mask(file_of(opaque), 100, seen_through=True).any()
