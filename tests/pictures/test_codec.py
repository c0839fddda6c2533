"""Pictures from strangers, and pictures for them."""

import contextlib
import io
import threading

import numpy as np
import pytest
from PIL import Image

from pictures import codec, composition
from pictures.codec import BadPicture
from pictures.formats import ImageFormat
from pictures.framing import Framing

RGB = ImageFormat(height=8, width=8, channels=3)
GREY = ImageFormat(height=8, width=8, channels=1)


def encoded(image: Image.Image, format: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def decode(image, wanted=RGB, **options):
    return codec.decode(encoded(image, **options), wanted, 1_000_000)


def test_exif_orientation_is_applied():
    image = Image.new("RGB", (8, 8), "red")
    image.paste("blue", (0, 0, 8, 4))  # blue above red
    exif = Image.Exif()
    exif[0x0112] = 3  # turned upside down
    turned = decode(image, format="JPEG", exif=exif, quality=95)
    assert turned[0, 0, 0] > 200 > 50 > turned[7, 7, 0]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_is_laid_over_white(mode):
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    if mode == "LA":
        image = image.convert("LA")
    if mode == "PA":
        image = image.quantize()
    assert (decode(image) == 255).all()


def test_palettes_are_converted():
    image = Image.new("RGB", (8, 8), (10, 200, 30)).quantize(4)
    assert np.abs(decode(image).astype(int) - (10, 200, 30)).max() <= 2


def test_16_bit_samples_keep_their_brightness():
    image = Image.fromarray(np.full((8, 8), 65535 // 2, np.uint16))
    assert np.abs(decode(image, GREY).astype(int) - 127).max() <= 1


def test_colour_becomes_grey_for_a_grey_model_and_grey_becomes_colour():
    assert decode(Image.new("RGB", (8, 8), "white"), GREY).shape == (8, 8, 1)
    assert decode(Image.new("L", (8, 8), 77)).tolist()[0][0] == [77, 77, 77]


def test_cmyk_one_bit_and_animations_are_read():
    assert decode(Image.new("CMYK", (8, 8)), format="JPEG").shape == (8, 8, 3)
    assert decode(Image.new("1", (8, 8), 1)).min() == 255
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    first = decode(frames[0], format="GIF", save_all=True, append_images=frames[1:])
    assert first[0, 0].tolist() == [255, 0, 0]


def test_the_centre_is_kept_and_the_aspect_too():
    image = Image.new("RGB", (24, 8), "black")
    image.paste("white", (8, 0, 16, 8))
    assert decode(image).mean() > 200


def test_size_is_judged_from_the_header():
    with pytest.raises(BadPicture, match="1001 x 1000") as caught:
        decode(Image.new("1", (1001, 1000)))
    assert caught.value.reason == "too_large"


def test_broken_pictures_say_so():
    data = encoded(Image.effect_noise((64, 64), 50))
    for broken, reason in ((data[: len(data) // 2], "truncated"), (b"", "not_an_image"), (b"\0" * 100, "not_an_image")):
        with pytest.raises(BadPicture) as caught:
            codec.decode(broken, RGB, 1_000_000)
        assert caught.value.reason == reason


@pytest.mark.filterwarnings("ignore")  # Pillow's remarks on what it skips
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP", "TIFF"])
def test_random_damage_never_raises_anything_else(format):
    data = encoded(Image.effect_noise((32, 32), 50).convert("RGB"), format)
    random = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(data)
        for place in random.integers(0, len(data), 8):
            damaged[place] = random.integers(256)
        with contextlib.suppress(BadPicture):
            codec.decode(bytes(damaged), RGB, 1_000_000)


def test_encoding_round_trips():
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(codec.encode(pixels)))), pixels)
    small, large = (codec.encode(pixels.repeat(9, 0).repeat(9, 1), "jpg", quality) for quality in (10, 95))
    assert len(small) < len(large)


def test_a_grid_is_filled_row_by_row():
    cells = [np.full((2, 3, 1), shade, np.uint8) for shade in (10, 20, 30)]
    sheet = composition.grid(cells, columns=2, gap=1)
    assert sheet.shape == (5, 7, 1)
    assert (sheet[0, 0], sheet[0, 4], sheet[3, 0], sheet[3, 4]) == (10, 20, 30, 255)


@pytest.mark.parametrize("format", ["png", "webp", "avif"])
def test_transparency_is_written(format):
    pixels = np.full((8, 8, 4), (10, 200, 30, 255), np.uint8)
    pixels[:4, :, 3] = 0
    read = np.asarray(Image.open(io.BytesIO(codec.encode(pixels, format, 100))).convert("RGBA"))
    assert np.abs(read[..., 3].astype(int) - pixels[..., 3]).max() <= 2
    assert np.abs(read[4:].astype(int) - pixels[4:]).max() <= 16


def test_what_is_transparent_lies_over_white_in_a_jpg():
    pixels = np.zeros((8, 8, 4), np.uint8)
    assert np.asarray(Image.open(io.BytesIO(codec.encode(pixels, "jpg")))).min() > 250


def test_what_is_wrong_is_said_by_kind():
    noise = Image.effect_noise((64, 64), 50).convert("RGB")
    for format in ("WEBP", "TIFF", "JPEG", "PNG", "AVIF", "GIF"):
        data = encoded(noise, format)
        with pytest.raises(BadPicture, match="broken or truncated") as caught:
            codec.decode(data[: len(data) * 9 // 10], RGB, 1_000_000)
        assert caught.value.reason == "truncated"
    with pytest.raises(BadPicture, match="empty"):
        codec.decode(b"", RGB, 1_000_000)


def test_heic_is_read_or_named():
    head = bytes(4) + b"ftypheic" + bytes(20)
    with pytest.raises(BadPicture, match="broken" if codec._HEIF else "HEIC is not read here"):
        codec.decode(head, RGB, 1_000_000)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_tiff_that_is_turned_comes_back_upright_and_tells_its_upright_size(orientation):
    image = Image.new("RGB", (40, 20), "red")
    exif = Image.Exif()
    exif[0x0112] = orientation
    for format in ("TIFF", "JPEG", "PNG"):
        data = encoded(image, format, exif=exif) if format != "TIFF" else _tiff(image, orientation)
        assert codec.inspect(io.BytesIO(data), 1_000_000)[:2] == (20, 40)
        pixels, frame = codec.decode_framed(data, RGB, 1_000_000, Framing("contain"))
        assert (frame.width, frame.height) == (20, 40)
        assert pixels.shape[:2] == (8, 4)


def _tiff(image, orientation):
    buffer = io.BytesIO()
    image.save(buffer, "TIFF", tiffinfo={274: orientation})
    return buffer.getvalue()


def test_depths_are_read_right_or_named():
    ramp = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    expected = (ramp * 255).round()
    assert np.abs(decode(Image.fromarray(ramp), GREY, format="TIFF")[:, :, 0] - expected).max() <= 1
    sixteen = Image.fromarray((ramp * 65535).astype(np.uint16))
    assert np.abs(decode(sixteen, GREY, format="TIFF")[:, :, 0] - expected).max() <= 1
    white_is_zero = Image.fromarray(((1 - ramp) * 65535).astype(np.uint16))
    assert np.abs(decode(white_is_zero, GREY, format="TIFF", tiffinfo={262: 0})[:, :, 0] - expected).max() <= 1
    for samples, words in ((ramp * 255, "float"), ((ramp * 255).astype(np.int32), "32-bit integers")):
        with pytest.raises(BadPicture, match=words) as caught:
            decode(Image.fromarray(samples), GREY, format="TIFF")
        assert caught.value.reason == "not_readable"


def test_a_jpeg_may_have_more_pixels_than_the_limit_if_it_can_be_decoded_at_a_fraction():
    large = Image.new("RGB", (1600, 1200), (200, 30, 30))
    data = encoded(large, "JPEG")
    made = codec.decode(data, RGB, 100_000)
    assert np.abs(made.astype(int) - (200, 30, 30)).max() <= 3
    assert codec.inspect(io.BytesIO(data), 100_000)[:2] == (1600, 1200)
    for format, options in (("PNG", {}), ("JPEG", {"progressive": True})):
        with pytest.raises(BadPicture, match="1600 x 1200"):
            codec.decode(encoded(large, format, **options), RGB, 100_000)


@pytest.mark.parametrize(("format", "quality", "kept"), [("jpg", 90, True), ("jpg", 80, False), ("avif", 95, True)])
def test_colours_keep_their_resolution_from_quality_90_on(format, quality, kept):
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2] = (255, 0, 0)
    stripes[:, 1::2] = (0, 0, 255)
    made = np.asarray(Image.open(io.BytesIO(codec.encode(stripes, format, quality)))).astype(int)
    assert bool(np.abs(made - stripes).mean() < 10) is kept


def test_sheets_that_no_file_can_hold_are_told_with_what_goes():
    composition.require_sheet(64, 64, 64, "webp")
    composition.require_sheet(64, 2048, 48, "png")
    with pytest.raises(composition.TooLargeForSheet, match=r"16398 x 398 pixels.*up to 49 fit"):
        composition.require_sheet(64, 2048, 48, "webp")
    with pytest.raises(composition.TooLargeForSheet, match="up to 4 fit"):
        composition.require_sheet(16, 2000, 2000, "png")
    composition.require_animation(8, 1024, 1024, "gif")
    with pytest.raises(composition.TooLargeForSheet, match="up to 4 frames"):
        composition.require_animation(64, 2048, 2048, "webp")


def test_a_picture_is_stretched_for_models_that_saw_them_so():
    wanted = ImageFormat(height=32, width=32, channels=3)
    pixels = np.random.default_rng(0).integers(0, 256, (30, 60, 3), np.uint8)
    picture = Image.fromarray(pixels)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    stretched = np.asarray(picture.resize((32, 32), Image.Resampling.BICUBIC))
    assert np.array_equal(codec.decode(buffer.getvalue(), wanted, 10**6, stretched=True), stretched)
    assert not np.array_equal(codec.decode(buffer.getvalue(), wanted, 10**6), stretched)


def test_a_picture_is_read_while_another_one_is():
    begun, may_end, small = threading.Event(), threading.Event(), encoded(Image.new("RGB", (8, 8)))

    class Slow(io.BytesIO):
        """A file whose last pixels are slow to come."""

        def read(self, size=-1):
            if size > 8 and self.tell() > len(self.getbuffer()) // 2:  # more than a chunk's head
                begun.set()
                may_end.wait(10)
            return super().read(size)

    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
    slow = threading.Thread(target=codec.inspect, args=(Slow(encoded(Image.fromarray(noise))), 1_000_000))
    slow.start()
    assert begun.wait(10)
    other = threading.Thread(target=codec.inspect, args=(io.BytesIO(small), 1_000_000))
    other.start()
    other.join(5)
    waits = other.is_alive()
    may_end.set()
    slow.join()
    other.join()
    assert not waits
