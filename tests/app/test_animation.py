"""All images of a prediction as one animation."""

from __future__ import annotations

import io

import pytest
from PIL import Image


@pytest.fixture
def made(client) -> str:
    body = {"model": "toy-cgan", "input": {"label": 3, "n": 5, "seed": 1}}
    return client.post("/v1/predictions", json=body, headers={"Prefer": "wait=30"}).json()["urls"]["get"]


@pytest.mark.parametrize("format", ["gif", "webp"])
def test_the_images_of_a_prediction_are_the_frames_of_an_animation(client, made, format):
    answer = client.get(f"{made}/animation.{format}?fps=4")
    assert answer.headers["content-type"] == f"image/{format}"
    with Image.open(io.BytesIO(answer.content)) as opened:
        assert (opened.n_frames, opened.size) == (5, (28, 28))
        opened.seek(1)
        opened.load()
        assert opened.info["duration"] == 250
    unchanged = client.get(f"{made}/animation.{format}?fps=4", headers={"If-None-Match": answer.headers["etag"]})
    assert unchanged.status_code == 304
    assert client.get(f"{made}/animation.{format}").headers["etag"] != answer.headers["etag"]


@pytest.mark.parametrize("path", ["animation.gif?fps=0", "animation.gif?fps=nan", "animation.mp4"])
def test_what_is_no_animation_is_refused(client, made, path):
    assert client.get(f"{made}/{path}").status_code == 422


def test_a_page_of_a_prediction_leads_to_the_playground(client):
    answer = client.get("/p/some%2Fid", follow_redirects=False)
    assert answer.status_code == 404
    answer = client.get("/p/someid", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "../#/p/someid")
