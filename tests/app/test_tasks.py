"""Tasks over HTTP that take a mask or answer with numbers."""

import io
import json
import math

import numpy as np
import pytest
from PIL import Image

from tests.conftest import pixels_of, png


def ask(client, model, task, files, headers=None, **fields):
    body = {"request": json.dumps({"model": model, "task": task, "input": fields})}
    return client.post("/v1/predictions", data=body, files=files, headers={"Prefer": "wait=20"} | (headers or {}))


def mask(size=28, mode="L"):
    """White in the lower half."""
    picture = Image.new("RGBA" if mode == "RGBA" else "L", (size, size), 0 if mode == "L" else (0, 0, 0, 255))
    picture.paste(255 if mode == "L" else (0, 0, 0, 0), (0, size // 2, size, size))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def test_a_masked_part_is_made_anew_and_the_rest_stays(client):
    given = png(28, "L", 3)
    answer = ask(client, "toy-gmm", "inpaint", {"image": given, "mask": mask()}, n=2, seed=5)
    assert answer.status_code == 201, answer.text
    images = [pixels_of(client.get(image["url"]).content) for image in answer.json()["output"]]
    for made in images:
        assert np.array_equal(made[:14], pixels_of(given)[:14])
        assert not np.array_equal(made[14:], pixels_of(given)[14:])
    assert not np.array_equal(*images)
    assert [image["seed"] for image in answer.json()["output"]] == [5, 6]


def test_a_transparent_part_of_a_mask_is_filled_in_like_a_white_one(client):
    sent = [{"image": png(28, "L", 3), "mask": mask(mode=mode)} for mode in ("L", "RGBA")]
    white, clear = (ask(client, "toy-gmm", "inpaint", files, seed=1).json()["output"][0] for files in sent)
    pictures = [pixels_of(client.get(image["url"]).content) for image in (white, clear)]
    assert np.array_equal(*pictures)


@pytest.mark.parametrize(
    ("files", "pointer"),
    [
        ([("image", png(28, "L"))], "/input/mask"),
        ([("mask", mask())], "/input/image"),
        ([("image", png(28, "L")), ("mask", mask()), ("mask", mask())], "/input/mask"),
        ([("image", png(28, "L")), ("mask", b"no picture")], "/input/mask"),
    ],
)
def test_what_is_wrong_with_a_mask_is_said_where(client, files, pointer):
    answer = ask(client, "toy-gmm", "inpaint", files)
    assert answer.status_code in (415, 422)
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


@pytest.mark.parametrize("model", ["toy-gmm", "toy-vae"])
def test_a_score_is_a_log_likelihood_and_the_same_in_bits(client, model):
    flat, noisy = (
        ask(client, model, "score", {"image": picture}).json()["output"][0]["values"]
        for picture in (png(28, "L", 1), png(28, "L", 2))
    )
    for values in (flat, noisy):
        assert values["bits_per_dim"] == pytest.approx(-values["log_likelihood"] / 784 / math.log(2))
    assert flat != noisy


def test_numbers_are_listed_in_the_history_and_refused_as_a_picture(client):
    files = {"image": png(28, "L", 9)}
    made = ask(client, "toy-gmm", "score", files).json()
    listed = {found["id"]: found for found in client.get("/v1/predictions?limit=100").json()["data"]}
    assert listed[made["id"]]["output"] == made["output"]
    refused = ask(client, "toy-gmm", "score", files, {"Accept": "image/webp"})
    assert (refused.status_code, refused.headers["content-type"]) == (406, "application/problem+json")
