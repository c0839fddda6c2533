"""Pictures in the manner of others, and dreams, at any size, over HTTP."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from tests.app.test_bad_input import assert_problem
from tests.app.test_life import wait_for
from tests.app.test_translate import picture
from tests.conftest import pixels_of


def ask(client, task, model, data, accept="image/png", files=None, **fields):
    return client.post(
        f"/v1/{task}/{model}", files={"image": data, **(files or {})}, data=fields, headers={"Accept": accept}
    )


def stylize(client, data, model="toy-fast-style", accept="image/png", files=None, **fields):
    return ask(client, "stylize", model, data, accept, files, **fields)


def dream(client, data, accept="image/png", files=None, **fields):
    fast = {"octaves": "2", "steps": "2"}
    return ask(client, "dream", "toy-deepdream", data, accept, files, **{**fast, **fields})


def flat(size=(40, 30)):
    buffer = io.BytesIO()
    Image.new("RGB", size, "red").save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("size", [(71, 43), (1, 1), (32, 32), (1, 90)])
@pytest.mark.parametrize("model", ["toy-fast-style", "toy-adain"])
def test_a_picture_of_any_size_is_stylized_at_its_own(client, model, size):
    answer = stylize(client, picture(*size), model, label="1")
    assert answer.status_code == 200, answer.text
    assert pixels_of(answer.content).shape == (size[1], size[0], 3)


@pytest.mark.parametrize("size", [(41, 23), (1, 1)])
def test_what_takes_steps_takes_any_size_too(client, size):
    made = [stylize(client, picture(*size), "toy-gatys", label="1", steps="2"), dream(client, picture(*size))]
    for answer in made:
        assert answer.status_code == 200, answer.text
        assert pixels_of(answer.content).shape == (size[1], size[0], 3)


def test_classes_differ_and_a_mixture_is_neither(client):
    given = picture(32, 32)
    asked = ({"label": "0"}, {"label": "1"}, {"label": "0", "blend": "1"}, {"label": "1", "blend": "0"})
    first, second, both, other_way = (pixels_of(stylize(client, given, **fields).content) for fields in asked)
    assert np.array_equal(both, other_way)
    for one in (first, second):
        assert not np.array_equal(one, both)


def test_a_mixture_may_be_a_list_in_json(client):
    upload = client.post("/v1/uploads", files={"file": picture(32, 32)}).json()["id"]
    asked = {"image": f"upload:{upload}", "label": "0", "blend": ["1", 2, 2]}
    told = client.post("/v1/stylize/toy-fast-style", json=asked, headers={"Accept": "application/json"}).json()
    assert told["status"] == "succeeded" and told["input"]["blend"] == [1, 2, 2]


@pytest.mark.parametrize("model", ["toy-adain", "toy-gatys"])
def test_a_second_picture_gives_the_style(client, model):
    steps = {"steps": "2"} if model == "toy-gatys" else {}
    given, style = picture(40, 30), picture(90, 20)
    first = stylize(client, given, model, files={"style_image": style}, **steps)
    second = stylize(client, given, model, files={"style_image": picture(33, 64)}, **steps)
    assert pixels_of(first.content).shape == (30, 40, 3)
    assert not np.array_equal(pixels_of(first.content), pixels_of(second.content))


def test_without_strength_nothing_is_dreamt(client):
    given = picture(40, 30)
    assert np.array_equal(pixels_of(dream(client, given, strength="0").content), pixels_of(given))
    assert not np.array_equal(pixels_of(dream(client, given).content), pixels_of(given))


@pytest.mark.parametrize("of", [{"layer": "relu2_2"}, {"layer": "relu3_3", "channel": "63"}, {"label": "2"}])
def test_dreams_are_of_layers_channels_and_classes(client, of):
    usual, asked = (pixels_of(dream(client, picture(40, 30), **fields).content) for fields in ({}, of))
    assert not np.array_equal(usual, asked)


def test_a_dream_is_guided_by_a_second_picture(client):
    guided = dream(client, picture(40, 30), files={"guide_image": picture(50, 60)})
    assert not np.array_equal(pixels_of(guided.content), pixels_of(dream(client, picture(40, 30)).content))


def test_transparency_is_kept(client):
    given = picture(40, 30, "RGBA")
    alpha = np.asarray(Image.open(io.BytesIO(given)).getchannel("A"))
    for answer in (stylize(client, given, label="0"), dream(client, given)):
        shown = np.asarray(Image.open(io.BytesIO(answer.content)))
        assert shown.shape == (30, 40, 4) and np.array_equal(shown[..., 3], alpha)


def test_a_side_scales_the_answer(client):
    assert pixels_of(stylize(client, picture(300, 200), label="0", side="64").content).shape == (43, 64, 3)


def test_steps_are_told_with_previews(client):
    """Of a descent that takes long; it is canceled once both were seen."""
    upload = client.post("/v1/uploads", files={"file": picture(400, 300)}).json()["id"]
    asked = {
        "model": "toy-gatys",
        "task": "stylize",
        "input": {"image": f"upload:{upload}", "label": "0", "steps": 250},
    }
    made = client.post("/v1/predictions", json=asked).json()
    seen = {"progress": 0, "preview": 0}
    with client.stream("GET", made["urls"]["events"]) as events:
        for line in events.iter_lines():
            name = line.removeprefix("event: ")
            if name in seen:
                seen[name] += 1
            if line.startswith("data:") and "total" in line:
                assert json.loads(line.removeprefix("data:"))["total"] == 250
            if all(seen.values()) or name == "completed":
                break
    client.post(made["urls"]["cancel"])
    assert all(seen.values())


def test_a_descent_is_left_when_it_is_canceled(client):
    upload = client.post("/v1/uploads", files={"file": picture(400, 300)}).json()["id"]
    asked = {
        "model": "toy-gatys",
        "task": "stylize",
        "input": {"image": f"upload:{upload}", "label": "0", "steps": 250},
    }
    made = client.post("/v1/predictions", json=asked).json()
    client.post(made["urls"]["cancel"])
    wait_for(client, made["urls"]["get"], "canceled")


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"label": "mona-lisa"}, "/input/label"),
        ({"label": "3"}, "/input/label"),
        ({}, "/input/label"),
        ({"label": "0", "blend": "mona-lisa"}, "/input/blend/0"),
        ({"label": "0", "strength": "2"}, "/input/strength"),
        ({"label": "0", "steps": "9"}, "/input/steps"),
        ({"label": "0", "fit": "contain"}, "/input/fit"),
    ],
)
def test_what_a_stylist_does_not_know_is_told(client, fields, pointer):
    assert_problem(stylize(client, picture(8, 8), **fields), 422, "invalid_input", pointer)


@pytest.mark.parametrize(
    ("fields", "styled"),
    [({}, False), ({"label": "0"}, True), ({"blend": "0"}, True)],
    ids=["neither", "both", "a mixture of one"],
)
def test_either_a_class_or_a_picture_is_the_style(client, fields, styled):
    files = {"style_image": picture(20, 20)} if styled else {}
    assert_problem(stylize(client, picture(8, 8), "toy-adain", files=files, **fields), 422, "invalid_input")


@pytest.mark.parametrize("model", ["toy-adain", "toy-gatys"])
def test_a_picture_of_one_colour_has_no_style(client, model):
    for style in (flat(), flat((1, 1))):
        refused = stylize(client, picture(20, 20), model, files={"style_image": style})
        assert_problem(refused, 422, "flat_picture", "/input/style_image")
    assert stylize(client, flat(), model, label="0").status_code == 200


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"layer": "relu9_9"}, "/input/layer"),
        ({"channel": "-1"}, "/input/channel"),
        ({"channel": "1000"}, "/input/channel"),
        ({"layer": "relu2_2", "channel": "32"}, "/input"),
        ({"label": "unicorn"}, "/input/label"),
        ({"label": "0", "layer": "relu2_2"}, "/input"),
        ({"octaves": "0"}, "/input/octaves"),
        ({"octaves": "11"}, "/input/octaves"),
        ({"steps": "0"}, "/input/steps"),
    ],
)
def test_what_cannot_be_dreamt_of_is_told(client, fields, pointer):
    assert_problem(dream(client, picture(8, 8), **fields), 422, "invalid_input", pointer)


def test_a_channel_and_a_guide_exclude_each_other(client):
    refused = dream(client, picture(8, 8), files={"guide_image": picture(9, 9)}, channel="1")
    assert_problem(refused, 422, "invalid_input")


def test_a_picture_that_is_too_large_is_told_the_size_that_goes(client):
    buffer = io.BytesIO()
    Image.new("L", (750, 500)).save(buffer, "PNG")
    refused = stylize(client, buffer.getvalue(), label="0")
    assert "it takes is" in assert_problem(refused, 422, "too_many_pixels", "/input/image")["detail"]
