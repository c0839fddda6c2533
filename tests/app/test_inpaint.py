"""Holes in photographs of any size, filled in over HTTP: each form of asking, and what is wrong with a mask."""

import asyncio
import base64
import io

import numpy as np
import openai
import pytest
from openai import OpenAI
from PIL import Image

from app.http.errors import TooLarge
from app.predictions.uploads import to_holed
from models.card import Card
from pictures.holes import MAX_PIXELS
from tests.app.test_bad_input import assert_problem
from tests.conftest import pixels_of

MODELS = ("toy-gated-conv", "toy-context-encoder", "toy-gmm")


def noise(width, height, channels=3):
    return np.random.default_rng(width).integers(0, 256, (height, width, channels), np.uint8)


def hole(width, height):
    """In the middle."""
    mask = np.zeros((height, width), bool)
    mask[height // 3 : height - height // 3, width // 3 : width - width // 3] = True
    return mask


def file_of(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels.squeeze(2) if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels).save(buffer, "PNG")
    return buffer.getvalue()


def white(mask):
    return file_of(mask * np.uint8(255))


def inpaint(client, picture, mask, model="toy-gated-conv", **fields):
    return client.post(f"/v1/inpaint/{model}", files={"image": picture, "mask": mask}, data=fields)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("width", "height", "channels"), [(150, 90, 3), (31, 33, 3), (3, 70, 3), (60, 50, 4)])
def test_a_pixel_outside_the_mask_keeps_its_value(client, model, width, height, channels):
    picture, mask = noise(width, height, channels), hole(width, height)
    answer = inpaint(client, file_of(picture), white(mask), model)
    assert answer.status_code == 200, answer.text
    made = pixels_of(answer.content)
    assert made.shape == picture.shape
    assert np.array_equal(made[~mask], picture[~mask])
    assert not np.array_equal(made[mask], picture[mask])


def test_several_holes_of_several_pictures_are_filled_in_one_pass(client):
    picture, mask = noise(200, 120), np.zeros((120, 200), bool)
    mask[5:15, 5:15] = mask[100:110, 180:190] = True
    files = {"image": file_of(picture), "mask": white(mask)}
    answer = client.post("/v1/inpaint/toy-gmm", files=files, data={"n": 2}, headers={"Accept": "application/json"})
    told = answer.json()
    assert (told["metrics"]["batch_size"], len(told["output"])) == (4, 2)
    one, two = (pixels_of(client.get(image["url"]).content) for image in told["output"])
    for made in (one, two):
        assert np.array_equal(made[~mask], picture[~mask])
    for rows in (slice(5, 15), slice(100, 110)):
        assert not np.array_equal(one[rows][mask[rows]], two[rows][mask[rows]])


def test_what_is_hidden_has_no_part_in_what_is_made(client):
    picture, mask = noise(90, 60), hole(90, 60)
    other = picture.copy()
    other[mask] = 255 - other[mask]
    made = [inpaint(client, file_of(each), white(mask)).content for each in (picture, other)]
    assert np.array_equal(*map(pixels_of, made))


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (hole(90, 61), "one size"),
        (np.zeros((60, 90), bool), "no pixel"),
        (np.ones((60, 90), bool), "every pixel"),
    ],
)
def test_a_mask_that_cannot_be_meant_is_told(client, mask, words):
    answer = inpaint(client, file_of(noise(90, 60)), white(mask))
    assert_problem(answer, 422, "bad_mask")
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "/input/mask" and words in error["detail"]


@pytest.mark.parametrize("value", [0, 255])
def test_a_picture_of_one_pixel_has_nothing_to_go_by(client, value):
    assert_problem(inpaint(client, file_of(noise(1, 1)), file_of(np.full((1, 1), value, np.uint8))), 422, "bad_mask")


def test_a_photograph_that_is_too_large_is_told_the_bound(client, toy_zoo):
    width, height = 2049, 2048
    files = file_of(np.zeros((height, width, 3), np.uint8)), white(hole(width, height))
    assert_problem(inpaint(client, *files), 413, "too_large")
    card = Card.read(toy_zoo / "toy-gated-conv")
    with pytest.raises(TooLarge, match=f"{MAX_PIXELS:,}"):
        asyncio.run(to_holed(*files, card, max_pixels=16_000_000, owner=""))


def test_a_mask_is_asked_for(client):
    answer = client.post("/v1/inpaint/toy-gated-conv", files={"image": file_of(noise(40, 40))})
    assert_problem(answer, 422, "invalid_input")
    assert answer.json()["errors"][0]["pointer"] == "/input/mask"


@pytest.fixture(scope="module")
def sdk(easel):
    with OpenAI(base_url=f"{easel.url}/v1", api_key="none", max_retries=0, timeout=30) as opened:
        yield opened


def edited(sdk, picture, mask=None, model="toy-gated-conv"):
    given = {} if mask is None else {"mask": ("mask.png", mask)}
    answer = sdk.images.edit(model=model, image=("picture.png", picture), prompt="an empty street", **given)
    return pixels_of(base64.b64decode(answer.data[0].b64_json)), answer


def test_an_edit_fills_in_what_is_transparent_in_the_mask(sdk, client):
    picture, mask = noise(90, 60), hole(90, 60)
    cut_out = np.dstack([np.full_like(picture, 255), np.where(mask, 0, 255).astype(np.uint8)])
    made, answer = edited(sdk, file_of(picture), file_of(cut_out))
    assert np.array_equal(made, pixels_of(inpaint(client, file_of(picture), white(mask)).content))
    assert answer.size == "90x60"


def test_an_edit_without_a_mask_fills_in_what_is_transparent_in_the_picture(sdk):
    picture, mask = noise(90, 60, 4), hole(90, 60)
    picture[:, :, 3] = np.where(mask, 0, 255)
    made, _ = edited(sdk, file_of(picture))
    assert made.shape == (60, 90, 4) and (made[mask][:, 3] == 255).all()
    assert np.array_equal(made[~mask], picture[~mask])


def test_an_edit_of_an_opaque_picture_without_a_mask_is_told_what_is_missing(sdk):
    with pytest.raises(openai.UnprocessableEntityError, match="transparent") as caught:
        edited(sdk, file_of(noise(90, 60)))
    assert caught.value.param == "mask"


def test_an_edit_that_fills_in_has_the_pictures_size(sdk):
    with pytest.raises(openai.BadRequestError, match="own size"):
        sdk.images.edit(model="toy-gated-conv", image=file_of(noise(9, 9)), prompt="", size="256x256")
