"""Pictures enlarged, at any size, over HTTP; and translations at a picture's own size."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.app.test_bad_input import assert_problem
from tests.app.test_translate import picture, translate
from tests.conftest import pixels_of


def upscale(client, data, accept="image/png", **fields):
    return client.post("/v1/upscale/toy-edsr", files={"image": data}, data=fields, headers={"Accept": accept})


@pytest.mark.parametrize(("fields", "scale"), [({}, 2), ({"scale": "3"}, 3), ({"scale": "4"}, 4)])
@pytest.mark.parametrize("size", [(71, 43), (1, 1), (32, 32), (1, 200)])
def test_a_picture_of_any_size_is_enlarged(client, size, fields, scale):
    answer = upscale(client, picture(*size), **fields)
    assert answer.status_code == 200, answer.text
    assert pixels_of(answer.content).shape == (size[1] * scale, size[0] * scale, 3)


def test_the_prediction_tells_the_size_of_what_it_holds(client):
    told = upscale(client, picture(50, 40), "application/json", scale="4").json()
    (output,) = told["output"]
    assert (output["width"], output["height"], output["seed"]) == (200, 160, None)
    assert told["task"] == "upscale" and told["input"]["scale"] == 4


def test_transparency_is_kept(client):
    given = picture(40, 30, "RGBA")
    answer = np.asarray(Image.open(io.BytesIO(upscale(client, given).content)))
    assert answer.shape == (60, 80, 4)
    alpha = Image.open(io.BytesIO(given)).getchannel("A").resize((80, 60), Image.Resampling.BICUBIC)
    assert np.array_equal(answer[..., 3], np.asarray(alpha))
    jpg = upscale(client, given, "image/jpeg")
    assert Image.open(io.BytesIO(jpg.content)).mode == "RGB"


def test_a_picture_on_its_side_comes_back_upright(client):
    exif = Image.Exif()
    exif[0x0112] = 8
    buffer = io.BytesIO()
    Image.open(io.BytesIO(picture(60, 20))).save(buffer, "JPEG", exif=exif)
    assert pixels_of(upscale(client, buffer.getvalue()).content).shape == (120, 40, 3)


@pytest.mark.parametrize(
    ("size", "fields", "code", "pointer"),
    [
        ((8, 8), {"scale": "5"}, "invalid_input", "/input/scale"),
        ((8, 8), {"scale": "large"}, "invalid_input", "/input/scale"),
        ((8, 8), {"fit": "native"}, "invalid_input", "/input/fit"),
        ((550, 500), {"scale": "4"}, "too_many_pixels", "/input/image"),
    ],
)
def test_what_cannot_be_done_is_told_at_once(client, size, fields, code, pointer):
    buffer = io.BytesIO()
    Image.new("L", size).save(buffer, "PNG")
    body = assert_problem(upscale(client, buffer.getvalue(), **fields), 422, code, pointer)
    if code == "too_many_pixels":
        width, height = map(int, body["detail"].split("that it takes is ")[1].split(" x "))
        assert 240_000 < width * height <= 250_000 and width / height == pytest.approx(1.1, abs=0.01)


def test_a_picture_is_needed(client):
    assert_problem(client.post("/v1/upscale/toy-edsr", json={"scale": 2}), 422, pointer="/input/image")
    assert_problem(client.post("/v1/upscale/toy-cyclegan", files={"image": picture(8, 8)}), 422)


@pytest.mark.parametrize("size", [(71, 43), (1, 50), (130, 130)])
@pytest.mark.parametrize("model", ["toy-cyclegan", "toy-pix2pix"])
def test_a_translation_at_its_own_size_is_the_networks_answer_to_the_whole_picture(client, model, size):
    answer = pixels_of(translate(client, picture(*size), model=model, fit="native").content)
    assert answer.shape == (size[1], size[0], 3)


def test_a_picture_of_the_models_size_is_the_same_at_its_own(client):
    both = [translate(client, picture(32, 32), **fields).content for fields in ({}, {"fit": "native"})]
    assert np.array_equal(*map(pixels_of, both))


def test_a_cycle_and_styles_go_at_the_pictures_own_size(client):
    asked = {"fit": "native", "cycle": "true", "heat_map": "true"}
    told = translate(client, picture(50, 34), "application/json", **asked).json()
    assert [(image["width"], image["height"]) for image in told["output"]] == [(50, 34)] * 3
    styled = translate(client, picture(50, 34), "application/json", "toy-munit", fit="native", n="2", seed="1").json()
    assert [(image["width"], image["seed"]) for image in styled["output"]] == [(50, 1), (50, 2)]


def test_a_translation_that_is_too_large_is_told_the_size_that_goes(client):
    buffer = io.BytesIO()
    Image.new("L", (750, 500)).save(buffer, "PNG")
    refused = translate(client, buffer.getvalue(), fit="native")
    assert "it takes is" in assert_problem(refused, 422, "too_many_pixels", "/input/image")["detail"]
    sized = translate(client, picture(300, 200), fit="native", side="64")
    assert pixels_of(sized.content).shape == (43, 64, 3)
