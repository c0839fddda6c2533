"""Steps, sampler, guidance and strength as requests say them, through a running Easel."""

import pytest

from tests.conftest import pixels_of, png


def ask(client, **fields):
    return client.post("/v1/sample/toy-diffusion", data=fields)


def test_the_same_request_makes_the_same_bytes_and_each_input_counts(client):
    given = {"label": "3", "seed": 1, "steps": 4}
    first = ask(client, **given)
    assert first.status_code == 200
    assert ask(client, **given).content == first.content
    for change in (
        {"steps": 5},
        {"sampler": "ddim"},
        {"sampler": "ddpm"},
        {"guidance": 3},
        {"seed": 2},
        {"label": "4"},
    ):
        assert (pixels_of(ask(client, **given | change).content) != pixels_of(first.content)).any(), change


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"steps": 251}, {"sampler": "euler"}, {"guidance": -1}, {"strength": 1}]
)
def test_what_the_model_cannot_do_is_refused(client, wrong):
    answer = client.post("/v1/predictions", json={"model": "toy-diffusion", "input": {"label": 3, **wrong}})
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"/input/{next(iter(wrong))}"]


def test_a_picture_is_varied_by_strength(client):
    picture = png(28, "L")
    files = {"image": ("a.png", picture, "image/png")}
    request = {"request": (None, '{"model": "toy-diffusion", "task": "vary", "input": {"seed": 1, "strength": 0}}')}
    answer = client.post("/v1/predictions", files={**request, **files}, headers={"Prefer": "wait=20"})
    assert answer.status_code == 201, answer.text
    (made,) = answer.json()["output"]
    assert (pixels_of(client.get(made["url"]).content) == pixels_of(picture)).all()
