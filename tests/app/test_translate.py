"""Translations of pictures of any size, and there and back again, over HTTP."""

import io

import numpy as np
import pytest
from PIL import Image

from pictures.composition import heat_map
from tests.app.test_bad_input import assert_problem
from tests.conftest import pixels_of

FITS = ("contain", "cover", "stretch", "tile")


def picture(width, height, mode="RGB"):
    shape = (height, width, *{"RGB": (3,), "RGBA": (4,)}.get(mode, ()))
    kind, top = (np.uint16, 65535) if mode == "I;16" else (np.uint8, 255)
    pixels = np.random.default_rng(width).integers(0, top, shape, kind)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def translate(client, data, accept="image/png", model="toy-cyclegan", **fields):
    return client.post(f"/v1/translate/{model}", files={"image": data}, data=fields, headers={"Accept": accept})


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(("size", "mode"), [((71, 43), "RGB"), ((1, 50), "RGBA"), ((40, 90), "I;16")])
def test_a_picture_comes_back_at_its_own_size(client, fit, size, mode):
    answer = translate(client, picture(*size, mode), fit=fit)
    assert answer.status_code == 200, answer.text
    expected = (min(size), min(size)) if fit == "cover" else size
    assert Image.open(io.BytesIO(answer.content)).size == expected


def test_the_prediction_tells_the_size_of_what_it_holds(client):
    told = translate(client, picture(71, 43), "application/json", fit="contain", side=142).json()
    (output,) = told["output"]
    assert (output["width"], output["height"]) == (142, 86)
    assert pixels_of(client.get(output["url"]).content).shape == (86, 142, 3)


def test_without_fit_the_centre_is_answered_at_the_models_size(client):
    assert pixels_of(translate(client, picture(71, 43)).content).shape == (32, 32, 3)
    same = [translate(client, picture(32, 32), **fields).content for fields in ({}, {"fit": "stretch"})]
    assert np.array_equal(*map(pixels_of, same))


def test_a_picture_on_its_side_comes_back_upright(client):
    exif = Image.Exif()
    exif[0x0112] = 8
    buffer = io.BytesIO()
    Image.open(io.BytesIO(picture(60, 20))).save(buffer, "JPEG", exif=exif)
    assert pixels_of(translate(client, buffer.getvalue(), fit="contain").content).shape == (60, 20, 3)


def test_tiles_share_a_pass_and_may_be_more_than_one_holds(client):
    told = translate(client, picture(80, 32), "application/json", fit="tile").json()
    assert told["metrics"]["batch_size"] == 3
    assert pixels_of(translate(client, picture(200, 200), fit="tile").content).shape == (200, 200, 3)


@pytest.mark.parametrize(
    ("size", "fields", "code", "pointer"),
    [
        ((400, 300), {"fit": "tile"}, "too_many_tiles", "/input/image"),
        ((40, 30), {"fit": "squeeze"}, "invalid_input", "/input/fit"),
        ((40, 30), {"fit": "contain", "side": "4096"}, "invalid_input", "/input/side"),
        ((40, 30), {"side": "64"}, "invalid_input", "/input"),
        ((40, 30), {"heat_map": "true"}, "invalid_input", "/input"),
    ],
)
def test_what_cannot_be_done_is_told_at_once(client, size, fields, code, pointer):
    body = assert_problem(translate(client, picture(*size), **fields), 422, code, pointer)
    assert body["errors"][0]["detail"]


def test_a_cycle_needs_a_way_back(client):
    refused = translate(client, picture(32, 32), model="toy-pix2pix", cycle="true")
    assert_problem(refused, 422, "invalid_input", "/input/cycle")


@pytest.mark.parametrize("fields", [{}, {"fit": "contain"}, {"fit": "tile"}])
def test_a_cycle_answers_with_both_ways_its_error_and_a_map_of_it(client, fields):
    given = picture(80, 40) if fields else picture(32, 32)
    asked = {"direction": "BtoA", **fields}
    told = translate(client, given, "application/json", cycle="true", heat_map="true", **asked).json()
    there, back, heat = (pixels_of(client.get(image["url"]).content) for image in told["output"])
    assert np.array_equal(there, pixels_of(translate(client, given, **asked).content))
    assert there.shape == back.shape == heat.shape
    if fields == {}:
        # By two requests the picture between the ways is rounded to whole values; by one it is not.
        again = translate(client, client.get(told["output"][0]["url"]).content, direction="AtoB")
        assert np.abs(pixels_of(again.content).astype(int) - back).mean() < 1.5
    if fields.get("fit") != "contain":
        off = np.abs(pixels_of(given).astype(int) - back).mean(axis=2) / 255
        assert told["metrics"]["cycle_error"] == pytest.approx(off.mean(), abs=1e-5)
        assert np.array_equal(heat, heat_map(off))


@pytest.mark.parametrize("fit", ["contain", "tile"])
def test_styles_and_targets_fit_as_well(client, fit):
    styled = translate(client, picture(80, 40), "application/json", "toy-munit", fit=fit, n="2", seed="1").json()
    assert [(image["width"], image["height"], image["seed"]) for image in styled["output"]] == [
        (80, 40, 1),
        (80, 40, 2),
    ]
    one, other = (pixels_of(client.get(image["url"]).content) for image in styled["output"])
    assert not np.array_equal(one, other)
    alone = translate(client, picture(80, 40), model="toy-munit", fit=fit, seed="2")
    assert np.array_equal(pixels_of(alone.content), other)
    aimed = translate(client, picture(80, 40), model="toy-stargan", fit=fit, target="1")
    assert pixels_of(aimed.content).shape == (40, 80, 3)


def test_other_answers_tell_no_cycle_error(client):
    told = translate(client, picture(32, 32), "application/json").json()
    assert "cycle_error" not in told["metrics"]
    assert len(told["output"]) == 1


def test_a_cycle_in_one_picture_is_a_sheet(client):
    answer = translate(client, picture(32, 32), cycle="true")
    assert pixels_of(answer.content).shape == (32, 66, 3)
