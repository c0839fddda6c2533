"""Attributes of images as inputs of a model's own: codes that it has, and directions that were found."""

import httpx
import numpy as np
import pytest

from tests.app.test_latents import ask, with_latents

SEED = 3


def test_a_direction_moves_the_latent_by_its_vector(client):
    ((plain,), (moved,)) = (
        with_latents(client, "toy-acgan", "conditional", label=1, seed=SEED, **given)
        for given in ({}, {"thickness": 1.5, "slant": -3})
    )
    shift = np.subtract(moved["latent"], plain["latent"])
    assert np.allclose(shift, [1.5, -3, 0, 0, 0, 0, 0, 0], atol=1e-6)
    assert moved["sha256"] != plain["sha256"]
    (again,) = with_latents(client, "toy-acgan", "conditional", label=1, latent=moved["latent"])
    assert again["sha256"] == moved["sha256"]


def test_a_code_that_is_given_is_the_same_whatever_the_seed(client):
    images = with_latents(client, "toy-infogan", "sample", n=8, seed=SEED, category=7, code_1=0.5)
    latents = np.array([image["latent"] for image in images])
    assert np.ptp(latents[:, 6:8], axis=0).max() == 0
    assert np.ptp(latents, axis=0)[[0, 8]].min() > 0
    others = with_latents(client, "toy-infogan", "sample", seed=SEED, category=8, code_1=0.5)
    assert others[0]["sha256"] != images[0]["sha256"]


def test_a_traversal_goes_through_every_category(client):
    frames = with_latents(client, "toy-infogan", "traverse", attribute="category", seed=SEED, frames=10)
    asked = [with_latents(client, "toy-infogan", "sample", seed=SEED, category=kind)[0] for kind in range(10)]
    assert [image["sha256"] for image in frames] == [image["sha256"] for image in asked]


def test_curl_sets_an_attribute_by_its_name(client):
    made = [
        client.post("/v1/sample/toy-acgan", data={"label": 1, "seed": SEED, "thickness": value}) for value in ("0", "2")
    ]
    assert [answer.status_code for answer in made] == [200, 200]
    assert made[0].content != made[1].content


@pytest.mark.parametrize(
    ("model", "task", "fields", "pointer"),
    [
        ("toy-acgan", "conditional", {"label": 1, "thickness": 3.5}, "/input/thickness"),
        ("toy-acgan", "conditional", {"label": 1, "slant": "left"}, "/input/slant"),
        ("toy-acgan", "conditional", {"label": 1, "breadth": 1}, "/input/breadth"),
        ("toy-infogan", "sample", {"category": 10}, "/input/category"),
        ("toy-infogan", "sample", {"category": 1.5}, "/input/category"),
        ("toy-infogan", "sample", {"code_1": -1.1}, "/input/code_1"),
        ("toy-infogan", "sample", {"truncation": 0.5}, "/input/truncation"),
        ("toy-infogan", "traverse", {"attribute": "thickness"}, "/input/attribute"),
        ("toy-infogan", "traverse", {}, "/input"),
        ("toy-infogan", "traverse", {"attribute": "code_1", "dimension": 1}, "/input"),
        ("toy-infogan", "traverse", {"dimension": 9}, "/input/dimension"),
    ],
)
def test_what_is_wrong_with_an_attribute_is_said_where(client, model, task, fields, pointer):
    answer = ask(client, model, task, **fields)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_the_schema_tells_the_bounds_that_forms_make_sliders_of(client: httpx.Client):
    told = client.get("/v1/models/toy-acgan").json()
    assert told["takes"]["conditional"][-2:] == ["thickness", "slant"]
    bounds = next(kind for kind in told["inputs"]["conditional"]["properties"]["slant"]["anyOf"] if "type" in kind)
    assert (bounds["type"], bounds["minimum"], bounds["maximum"]) == ("number", -3, 3)
