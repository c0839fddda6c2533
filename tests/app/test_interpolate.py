"""A walk between latents or pictures, as an animation, as frames, as a prediction."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image, ImageSequence

from tests.conftest import pixels_of, png

ROUTE = "/v1/interpolate/toy-vae"


def frames_of(data):
    """The frames of an animation, as grey pixels."""
    return [
        np.asarray(frame.convert("L")).astype(int) for frame in ImageSequence.Iterator(Image.open(io.BytesIO(data)))
    ]


def exact_frames(client, **fields):
    answer = client.post(ROUTE, data=fields, headers={"Accept": "application/zip"})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as opened:
        return [pixels_of(opened.read(name)).astype(int) for name in opened.namelist()]


def shows(frames, expected, within):
    return [np.abs(one - other).mean() < within for one, other in zip(frames, expected, strict=True)]


def test_the_answer_is_an_animated_webp_of_the_frames_in_order(client):
    answer = client.post(ROUTE, data={"seeds": "1,2", "frames": 5})
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["content-location"].startswith("/v1/predictions/")
    assert Image.open(io.BytesIO(answer.content)).info["loop"] == 0
    expected = exact_frames(client, seeds="1,2", frames=5)
    assert all(shows(frames_of(answer.content), expected, 6))
    assert not all(shows(frames_of(answer.content), expected[::-1], 6))


def test_a_gif_comes_when_asked_for_at_the_speed_asked_for(client):
    headers = {"Accept": "image/gif"}
    for fps, duration in ((10, 100), (2, 500)):
        answer = client.post(ROUTE, data={"seeds": "1,2", "frames": 4, "fps": fps}, headers=headers)
        assert answer.headers["content-type"] == "image/gif"
        assert Image.open(io.BytesIO(answer.content)).info["duration"] == duration
    assert len(frames_of(answer.content)) == 4


def test_a_browser_that_takes_avif_first_still_gets_the_animation(client):
    accept = "text/html,image/avif,image/webp,image/apng,*/*;q=0.8"
    answer = client.post(ROUTE, data={"seeds": "1,2", "frames": 3}, headers={"Accept": accept})
    assert answer.headers["content-type"] == "image/webp"
    assert len(frames_of(answer.content)) == 3


def test_with_loop_the_walk_goes_there_and_back(client):
    data = client.post(ROUTE, data={"seeds": "1,2", "frames": 4, "loop": "true"}).content
    there = exact_frames(client, seeds="1,2", frames=4)
    assert all(shows(frames_of(data), [*there, there[2], there[1]], 6))


@pytest.mark.parametrize(
    "sent",
    [
        {"data": {"seeds": "3, 4,5", "frames": "5"}},
        {"data": {"seeds": ["3", "4", "5"], "frames": "5"}},
        {"params": {"seeds": ["3", "4,5"], "frames": "5"}},
        {"json": {"seeds": [3, 4, 5], "frames": 5}},
        {"json": {"seeds": "3,4,5", "frames": 5}},
    ],
)
def test_seeds_are_repeated_or_separated_by_commas_or_json(client, sent):
    answer = client.post(ROUTE, headers={"Accept": "application/json"}, **sent)
    assert answer.status_code == 201, answer.text
    assert answer.json()["input"]["seeds"] == [3, 4, 5]
    assert len(answer.json()["output"]) == 5


def test_pictures_are_walked_through_too(client):
    files = [("images", png(28, "L", seed)) for seed in (1, 2)]
    walk = client.post(ROUTE, files=files, data={"frames": 3}, headers={"Accept": "application/json"}).json()
    ends = [
        client.post(
            "/v1/predictions",
            data={"request": '{"model": "toy-vae", "task": "reconstruct"}'},
            files={"image": picture},
            headers={"Accept": "image/png"},
        ).content
        for _, picture in files
    ]
    frames = [pixels_of(client.get(image["url"]).content) for image in walk["output"]]
    assert np.array_equal(frames[0], pixels_of(ends[0]))
    assert np.array_equal(frames[-1], pixels_of(ends[1]))


def test_a_grid_comes_for_a_png(client):
    answer = client.post(ROUTE, data={"seeds": "1,2", "frames": 4}, headers={"Accept": "image/png"})
    assert pixels_of(answer.content).shape == (58, 58)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"seeds": "1"}, "/input/seeds"),
        ({"seeds": "1,x"}, "/input/seeds/1"),
        ({"seeds": "1,2", "fps": 0.5}, "/fps"),
        ({"seeds": "1,2", "fps": 31}, "/fps"),
        ({"seeds": "1,2", "fps": "nan"}, "/fps"),
        ({"seeds": "1,2", "loop": "maybe"}, "/loop"),
        ({"seeds": "1,2", "frames": 65}, "/input/frames"),
        ({}, "/input"),
    ],
)
def test_what_is_wrong_is_said_where(client, fields, pointer):
    answer = client.post(ROUTE, data=fields)
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


def test_a_model_without_codes_says_what_it_offers(client):
    answer = client.post("/v1/interpolate/toy-dcgan", data={"seeds": "1,2"})
    assert (answer.status_code, answer.json()["code"]) == (422, "task_not_offered")
