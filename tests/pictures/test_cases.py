"""Files that once came out wrong: each with what a network should see of it, or what its sender should read."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from app.predictions.uploads import from_data_uri
from models import checkpoint
from models.model import final_images
from models.registry import SHIPPED, Registry
from pictures import codec
from pictures.codec import BadPicture
from pictures.formats import ImageFormat
from pictures.framing import Framing
from tasks.operation import to_pixels

CASES = Path(__file__).parent / "cases"
LIMIT = 16_000_000


def file(name):
    return (CASES / name).read_bytes()


def seen(data, size=None):
    """int [H, W, 3], at the picture's own size unless another is given."""
    if size is None:
        return codec.decode_kept(data, ImageFormat(height=1, width=1, channels=3), LIMIT).astype(int)
    return codec.decode(data, ImageFormat(height=size, width=size, channels=3), LIMIT).astype(int)


def by_little_cms(name):
    """What littleCMS makes of a file's own profile. int [H, W, 3]."""
    with Image.open(CASES / name) as picture:
        converted = ImageCms.profileToProfile(
            picture,
            ImageCms.ImageCmsProfile(io.BytesIO(picture.info["icc_profile"])),
            ImageCms.createProfile("sRGB"),
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    return np.asarray(converted).astype(int)


@pytest.mark.parametrize(
    "name", ["jpeg-icc-DisplayP3.jpg", "cmyk-jpeg-with-profile.jpg", "facade-labels-displayp3.png"]
)
def test_profiles_are_heeded(name):
    assert np.abs(seen(file(name)) - by_little_cms(name)).max() <= 2


def test_a_label_map_in_display_p3_is_translated_as_its_srgb_original():
    model = checkpoint.read(Registry([SHIPPED])["facades-pix2pix"].folder)
    name = "facade-labels-displayp3.png"
    both = np.stack([seen(file(name), 256), by_little_cms(name)]).transpose(0, 3, 1, 2)
    with torch.inference_mode():
        made = to_pixels(final_images(model.translate(torch.from_numpy(both).float() / 127.5 - 1, "AtoB"))).astype(int)
    assert np.abs(made[0] - made[1]).max() <= 2


def test_a_turned_tiff_is_upright():
    data = file("tiff-orientation-6.tif")
    with Image.open(CASES / "tiff-orientation-6.tif") as picture:
        upright = np.asarray(picture)  # Pillow turns a TIFF as it reads it
    assert codec.inspect(io.BytesIO(data), LIMIT)[:2] == (80, 60)
    assert np.array_equal(seen(data), upright)
    for fit in ("contain", "stretch"):
        _, frame = codec.decode_framed(data, ImageFormat(height=32, width=32, channels=3), LIMIT, Framing(fit))
        assert (frame.width, frame.height) == (80, 60)


def test_float_samples_are_seen():
    with Image.open(CASES / "tiff-float32-0to1.tif") as picture:
        samples = np.asarray(picture)
    assert np.abs(seen(file("tiff-float32-0to1.tif"))[:, :, 0] - samples * 255).max() <= 1


@pytest.mark.parametrize(
    ("name", "reason", "words"),
    [
        ("tiff-int32-0to255.tif", "not_readable", "32-bit integers"),
        ("tiff-uint32-fullrange.tif", "not_readable", "32-bit integers"),
        ("tiff-truncated-98pct.tif", "truncated", "TIFF file is broken or truncated"),
        ("webp-truncated-98pct.webp", "truncated", "WebP file is broken or truncated"),
    ],
)
def test_what_cannot_be_seen_is_named(name, reason, words):
    with pytest.raises(BadPicture, match=words) as refusal:
        seen(file(name))
    assert refusal.value.reason == reason


@pytest.mark.parametrize("name", ["png-ztxt-3MB-workflow.png", "png-iccp-2MB.png", "png-text-bad-crc.png"])
def test_broken_and_huge_metadata_is_passed_over(name):
    made = seen(file(name))
    assert made.shape == (48, 64, 3)
    assert np.array_equal(made, seen(file("png-text-bad-crc.png")))


def test_a_data_uri_in_lines_is_read():
    assert seen(from_data_uri(file("png-as-mime-base64.txt").decode(), "/input/image")).shape == (48, 64, 3)


def test_heic_is_read_or_named():
    if codec._HEIF:
        assert seen(file("iphone.heic")).std() > 10
    else:
        with pytest.raises(BadPicture, match="HEIC is not read here"):
            seen(file("iphone.heic"))


def test_a_sheet_of_a_wide_strip_is_told_before_the_work(client):
    asked = {"data": {"fit": "stretch", "n": 64}, "files": {"image": file("strip-2048x48.png")}}
    refused = client.post("/v1/translate/facades-bicyclegan", **asked, headers={"Accept": "image/webp"})
    assert (refused.status_code, refused.json()["code"]) == (422, "sheet_too_large")
    assert "up to 49 fit" in refused.json()["detail"]
