"""Text as an input: what it makes, and what cannot be read."""

import base64

import numpy as np
import pytest

from tests.conftest import pixels_of


def drawn(client, text, **fields):
    return client.post("/v1/sample/toy-gan-int-cls", data={"text": text, "seed": 1, **fields})


def test_a_text_and_a_seed_make_a_picture(client):
    apple, again, engine = (drawn(client, text) for text in ("red apple", "Apple, RED!", "fire engine"))
    assert apple.headers["content-type"] == "image/png"
    assert np.array_equal(pixels_of(apple.content), pixels_of(again.content))
    assert not np.array_equal(pixels_of(apple.content), pixels_of(engine.content))


@pytest.mark.parametrize("text", ["", "🍎", "苹果 ...", "a" * 201, None, 7])
def test_a_text_that_cannot_be_read_is_told_beside_its_field(client, text):
    order = {"model": "toy-gan-int-cls", "input": {} if text is None else {"text": text}}
    refused = client.post("/v1/predictions", json=order)
    assert refused.status_code == 422
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/input/text"]


def test_the_schema_says_how_long_a_text_may_be(client):
    schema = client.get("/v1/models/toy-gan-int-cls").json()["inputs"]["text"]
    assert schema["required"] == ["text"]
    assert (schema["properties"]["text"]["minLength"], schema["properties"]["text"]["maxLength"]) == (1, 200)


def test_openais_prompt_is_the_text(client):
    body = {"model": "toy-gan-int-cls", "prompt": "A red apple", "seed": 1, "response_format": "b64_json"}
    (item,) = client.post("/v1/images/generations", json=body).json()["data"]
    made = pixels_of(base64.b64decode(item["b64_json"]))
    assert np.array_equal(made, pixels_of(drawn(client, "a red apple").content))


@pytest.mark.parametrize("prompt", ["🍎", "a" * 300])
def test_a_prompt_that_cannot_be_read_is_refused_as_openai_would(client, prompt):
    refused = client.post("/v1/images/generations", json={"model": "toy-gan-int-cls", "prompt": prompt})
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "prompt"
