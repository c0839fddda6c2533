"""Translations in styles that are drawn, told or taken from a picture, and to targets that are named, over HTTP."""

import json

import numpy as np
import pytest

from pictures import codec
from tests.app.test_bad_input import assert_problem
from tests.conftest import pixels_of, png


def translate(client, model, accept="application/json", style=None, latents=False, **fields):
    files = {"image": png(), **({"style_image": style} if style else {})}
    given = {**fields, **({"latents": "true"} if latents else {})}
    return client.post(f"/v1/translate/{model}", files=files, data=given, headers={"Accept": accept})


def grey(level):
    """A picture whose style is small: random weights make one of noise larger than a latent may be."""
    return codec.encode(np.full((32, 32, 3), level, np.uint8))


def shown(client, told):
    return [pixels_of(client.get(image["url"]).content) for image in told["output"]]


def test_styles_are_drawn_by_their_seeds(client):
    told = translate(client, "toy-munit", n=3, seed=5).json()
    assert [image["seed"] for image in told["output"]] == [5, 6, 7]
    several = shown(client, told)
    assert not np.array_equal(several[0], several[1])
    (alone,) = shown(client, translate(client, "toy-munit", seed=6).json())
    assert np.array_equal(alone, several[1])


def test_a_style_is_a_value(client):
    (image,) = translate(client, "toy-munit", seed=1, latents=True).json()["output"]
    assert len(image["latent"]) == 3
    (again,) = translate(client, "toy-munit", latent=json.dumps(image["latent"])[1:-1], latents=True).json()["output"]
    assert again["latent"] == image["latent"] and again["seed"] is None
    assert np.array_equal(*(pixels_of(client.get(one["url"]).content) for one in (image, again)))


def test_a_style_is_taken_from_a_picture(client):
    first, second = (translate(client, "toy-munit", style=grey(level), latents=True).json() for level in (128, 129))
    assert first["output"][0]["latent"] != second["output"][0]["latent"]
    (by_picture,), (by_value,) = (
        shown(client, told)
        for told in (
            first,
            translate(client, "toy-munit", latent=json.dumps(first["output"][0]["latent"])[1:-1]).json(),
        )
    )
    assert np.array_equal(by_picture, by_value)
    assert not np.array_equal(by_picture, shown(client, second)[0])


def test_each_style_goes_there_and_back_again(client):
    told = translate(client, "toy-munit", n=2, seed=1, cycle="true", heat_map="true", latents=True).json()
    assert [image["seed"] for image in told["output"]] == [1, 1, 1, 2, 2, 2]
    assert told["output"][0]["latent"] == told["output"][2]["latent"] != told["output"][3]["latent"]
    there, back, _, _, back_again, _ = shown(client, told)
    assert np.array_equal(there, shown(client, translate(client, "toy-munit", seed=1).json())[0])
    # The way back is in the picture's own style, which no seed changes.
    assert back.shape == back_again.shape == (32, 32, 3)


def test_the_tiles_of_a_picture_share_its_style(client):
    told = translate(client, "toy-munit", n=2, seed=1, fit="tile", side=48, latents=True).json()
    assert [(image["width"], len(image["latent"])) for image in told["output"]] == [(48, 3)] * 2
    assert told["output"][0]["latent"] != told["output"][1]["latent"]


@pytest.mark.parametrize(
    "fields",
    [
        {"seed": 1, "latent": "1,2,3"},
        {"latent": "1,2,3", "n": 2},
        {"style": png(), "n": 2},
        {"style": png(), "seed": 1},
    ],
)
def test_a_style_comes_from_one_place(client, fields):
    assert_problem(translate(client, "toy-munit", **fields), 422, "invalid_input", "/input")


def test_a_target_is_a_domain(client):
    by_name, by_index, other = (translate(client, "toy-stargan", target=target).json() for target in ("2", 2, "0"))
    (named,), (indexed,), (differently,) = (shown(client, told) for told in (by_name, by_index, other))
    assert np.array_equal(named, indexed)
    assert not np.array_equal(named, differently)


@pytest.mark.parametrize(
    ("model", "fields", "pointer"),
    [
        ("toy-stargan", {}, "/input/target"),
        ("toy-stargan", {"target": "9"}, "/input/target"),
        ("toy-stargan", {"direction": "AtoB"}, "/input/target"),
        ("toy-faces", {"targets": "0,hat"}, "/input/targets/1"),
        ("toy-cyclegan", {"target": "0"}, "/input/target"),
        ("toy-cyclegan", {"n": 2}, "/input/n"),
    ],
)
def test_what_is_no_target_is_told(client, model, fields, pointer):
    body = assert_problem(translate(client, model, **fields), 422, "invalid_input")
    assert pointer in [error["pointer"] for error in body["errors"]]


def test_targets_are_the_attributes_that_the_result_has(client):
    listed, repeated = (translate(client, "toy-faces", targets=given).json() for given in ("0,3", ["0", "3"]))
    assert listed["input"]["targets"] == repeated["input"]["targets"] == [0, 3]
    none = client.post(
        "/v1/predictions",
        data={"request": json.dumps({"model": "toy-faces", "input": {"targets": []}})},
        files={"image": png()},
        headers={"Prefer": "wait=20"},
    ).json()
    (with_two,), (without,) = (shown(client, told) for told in (listed, none))
    assert not np.array_equal(with_two, without)


def test_the_prompt_of_an_edit_names_the_target(client):
    def edit(model, prompt, **fields):
        body = {"model": model, "prompt": prompt, "response_format": "url", **fields}
        return client.post("/v1/images/edits", data=body, files={"image": png()})

    def pixels(answer):
        return pixels_of(client.get(answer.json()["data"][0]["url"]).content)

    direct = shown(client, translate(client, "toy-stargan", target=1).json())[0]
    assert np.array_equal(pixels(edit("toy-stargan", "make it a 1")), direct)
    assert edit("toy-stargan", "make it nice").status_code == 400
    several = shown(client, translate(client, "toy-faces", targets="1,2").json())[0]
    assert np.array_equal(pixels(edit("toy-faces", "with 1 and 2")), several)
