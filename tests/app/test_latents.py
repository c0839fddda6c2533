"""Latents as values: told with an image, sent back, walked through."""

import json
import zipfile
from io import BytesIO

import numpy as np
import pytest

from tests.conftest import pixels_of, png


def ask(client, model, task, output=None, files=None, **fields):
    body = {"model": model, "task": task, "input": fields, "output": output or {}}
    headers = {"Prefer": "wait=20"}
    if files:
        return client.post("/v1/predictions", data={"request": json.dumps(body)}, files=files, headers=headers)
    return client.post("/v1/predictions", json=body, headers=headers)


def with_latents(client, model, task, **fields):
    return ask(client, model, task, {"latents": True, "metadata": False}, **fields).json()["output"]


@pytest.mark.parametrize(
    ("model", "task", "fields"),
    [
        ("toy-dcgan", "sample", {}),
        ("toy-dcgan", "sample", {"truncation": 0.5}),
        ("toy-vae", "sample", {"temperature": 0.7}),
        ("toy-cgan", "conditional", {"label": 3}),
        ("toy-gan-int-cls", "text", {"text": "red apple"}),
        ("toy-diffusion", "conditional", {"label": 3, "sampler": "ddpm", "steps": 4}),
    ],
)
def test_a_latent_sent_back_makes_the_same_bytes(client, model, task, fields):
    images = with_latents(client, model, task, n=3, seed=4, **fields)
    kept = {name: value for name, value in fields.items() if name not in ("truncation", "temperature")}
    for image in images:
        (again,) = with_latents(client, model, task, latent=image["latent"], **kept)
        assert again["sha256"] == image["sha256"]
        assert (again["latent"], again["seed"]) == (image["latent"], None)
    assert len({tuple(image["latent"]) for image in images}) == 3


def test_temperature_scales_the_latent(client):
    ((cold,), (warm,)) = (with_latents(client, "toy-vae", "sample", seed=1, temperature=heat) for heat in (0.5, 1.0))
    assert np.allclose(np.multiply(cold["latent"], 2), warm["latent"], rtol=1e-6)


@pytest.mark.parametrize("task", ["reconstruct", "vary", "traverse", "interpolate"])
def test_every_task_of_codes_tells_the_latents_of_its_images(client, task):
    fields = {
        "reconstruct": {},
        "vary": {"n": 2, "seed": 1},
        "traverse": {"dimension": 1, "frames": 3},
        "interpolate": {"frames": 3},
    }[task]
    name = "images" if task == "interpolate" else "image"
    files = [(name, png(28, "L", seed)) for seed in ((1, 2) if task == "interpolate" else (1,))]
    for image in with_latents(client, "toy-vae", task, files=files, **fields):
        (again,) = with_latents(client, "toy-vae", "sample", latent=image["latent"])
        assert again["sha256"] == image["sha256"]


def test_a_traversal_changes_one_dimension_from_end_to_end(client):
    frames = with_latents(client, "toy-vae", "traverse", seed=3, dimension=2, frames=5, span=2)
    codes = np.array([image["latent"] for image in frames])
    assert np.allclose(codes[:, 2], [-2, -1, 0, 1, 2])
    (start,) = with_latents(client, "toy-vae", "sample", seed=3)
    assert np.allclose(np.delete(codes, 2, axis=1), np.delete(start["latent"], 2))


def test_variations_of_a_latent_lie_around_it(client):
    latent = [0.5, -0.5, 1.0, 0.0]
    images = with_latents(client, "toy-vae", "vary", latent=latent, n=2, seed=1, strength=0.1)
    spread = np.subtract([image["latent"] for image in images], latent)
    assert 0 < np.abs(spread).max() < 0.5


def test_a_path_between_latents_is_straight_or_spherical(client):
    ends = [[2.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0]]
    middles = {
        path: with_latents(client, "toy-vae", "interpolate", latents=ends, frames=3, path=path)[1]["latent"]
        for path in ("lerp", "slerp")
    }
    assert middles["lerp"] == [1, 1, 0, 0]
    assert np.allclose(middles["slerp"], [2**0.5, 2**0.5, 0, 0], atol=1e-6)


def test_latents_are_told_where_the_prediction_is_asked_for_and_go_with_it(client):
    prediction = ask(client, "toy-vae", "sample", {"latents": True}, seed=1).json()
    assert client.get(prediction["urls"]["get"]).json()["output"] == prediction["output"]
    listed = client.get("/v1/predictions").json()["data"]
    assert all("latent" not in image for found in listed for image in found["output"] or ())
    assert client.delete(prediction["urls"]["get"]).status_code == 204


def test_curl_sends_a_latent_as_numbers_separated_by_commas(client):
    (image,) = with_latents(client, "toy-dcgan", "sample", seed=6)
    told = ",".join(str(number) for number in image["latent"])
    answer = client.post("/v1/sample/toy-dcgan", data={"latent": told, "metadata": "false"})
    assert answer.content == client.get(image["url"]).content


def test_an_image_made_from_a_latent_says_so(client):
    prediction = ask(client, "toy-dcgan", "sample", latent=[0.25] * 8).json()
    assert prediction["input"]["latent"] == [0.25] * 8
    assert prediction["input"]["seed"] is None
    archive = client.get(prediction["urls"]["get"] + "/archive.zip")
    with zipfile.ZipFile(BytesIO(archive.content)) as opened:
        assert opened.namelist() == ["000.png"]
        assert b"0.25" in opened.read("000.png")


@pytest.mark.parametrize(
    ("model", "task", "fields", "pointer"),
    [
        ("toy-dcgan", "sample", {"latent": [0.0] * 7}, "/input/latent"),
        ("toy-dcgan", "sample", {"latent": [0.0] * 9}, "/input/latent"),
        ("toy-dcgan", "sample", {"latent": [0.0] * 7 + [1e9]}, "/input/latent/7"),
        ("toy-dcgan", "sample", {"latent": [0.0] * 7 + ["nan"]}, "/input/latent/7"),
        ("toy-dcgan", "sample", {"latent": "hello"}, "/input/latent"),
        ("toy-dcgan", "sample", {"latent": [0.0] * 8, "seed": 1}, "/input"),
        ("toy-dcgan", "sample", {"latent": [0.0] * 8, "n": 2}, "/input"),
        ("toy-dcgan", "sample", {"latent": [0.0] * 8, "truncation": 0.5}, "/input"),
        ("toy-dcgan", "sample", {"temperature": 0.5}, "/input/temperature"),
        ("toy-vae", "sample", {"temperature": 0}, "/input/temperature"),
        ("toy-vae", "vary", {"n": 2}, "/input"),
        ("toy-vae", "traverse", {}, "/input/dimension"),
        ("toy-vae", "traverse", {"dimension": 4}, "/input/dimension"),
        ("toy-vae", "traverse", {"dimension": 0, "seed": 1, "latent": [0.0] * 4}, "/input"),
        ("toy-vae", "interpolate", {"latents": [[0.0] * 4]}, "/input/latents"),
        ("toy-vae", "interpolate", {"latents": [[0.0] * 4] * 2, "seeds": [1, 2]}, "/input"),
    ],
)
def test_what_is_wrong_with_a_latent_is_said_where(client, model, task, fields, pointer):
    answer = ask(client, model, task, **fields)
    assert answer.status_code == 422, answer.text
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


def test_latents_of_a_task_that_has_none_are_refused(client):
    answer = ask(client, "toy-cyclegan", "translate", {"latents": True}, files=[("image", png())])
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/output/latents"


def test_the_schema_says_how_long_a_latent_is(client):
    schema = client.get("/v1/models/toy-dcgan").json()["inputs"]["sample"]["properties"]["latent"]
    assert schema["anyOf"][0]["minItems"] == schema["anyOf"][0]["maxItems"] == 8


def test_a_code_is_numbers_that_make_the_reconstruction(client):
    picture = [("image", png(28, "L", 5))]
    answer = ask(client, "toy-vae", "encode", files=picture)
    (item,) = answer.json()["output"]
    assert list(item) == ["latent"]
    (rebuilt,) = with_latents(client, "toy-vae", "reconstruct", files=picture)
    assert np.allclose(item["latent"], rebuilt["latent"], atol=1e-5)
    (again,) = with_latents(client, "toy-vae", "sample", latent=item["latent"])
    apart = [pixels_of(client.get(image["url"]).content).astype(int) for image in (rebuilt, again)]
    assert np.abs(np.subtract(*apart)).max() <= 1


def test_a_task_of_numbers_has_no_picture_to_give(client):
    body = {"request": json.dumps({"model": "toy-vae", "task": "encode", "output": {"grid": True, "b64_json": True}})}
    files = [("image", png(28, "L"))]
    refused = client.post("/v1/predictions", data=body, files=files, headers={"Accept": "image/png"})
    assert (refused.status_code, refused.json()["code"]) == (406, "not_acceptable")
    made = client.post("/v1/predictions", data=body, files=files, headers={"Prefer": "wait=20"}).json()
    assert made["status"] == "succeeded"
    assert "grid" not in made["urls"]
    for path in ("images/0.png", "grid.png", "archive.zip"):
        assert client.get(f"{made['urls']['get']}/{path}").status_code == 404
