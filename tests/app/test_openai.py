"""OpenAI's own SDK, unchanged, against this service."""

import base64
import io

import httpx
import numpy as np
import openai
import pytest
from openai import OpenAI

from app.predictions.openai import direction_in, label_in
from models.card import Card
from tests.conftest import pixels_of, png

# OpenAI has retired its own variations; the SDK warns of it and sends the request all the same.
pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")


@pytest.fixture(scope="module")
def sdk(easel):
    with OpenAI(base_url=f"{easel.url}/v1", api_key="none", max_retries=0, timeout=30) as opened:
        yield opened


def pixels(item):
    return pixels_of(base64.b64decode(item.b64_json))


def sampled(client, model, **fields):
    return pixels_of(client.post(f"/v1/sample/{model}", data=fields).content)


def test_the_class_that_the_prompt_names_is_drawn(sdk, client):
    answer = sdk.images.generate(
        model="toy-cgan",
        prompt="A handwritten 7, please",
        size="28x28",
        quality="high",
        user="someone",
        response_format="b64_json",
        extra_body={"seed": 1},
    )
    assert np.array_equal(pixels(answer.data[0]), sampled(client, "toy-cgan", label=7, seed=1))
    assert not np.array_equal(pixels(answer.data[0]), sampled(client, "toy-cgan", label=8, seed=1))
    assert (answer.size, answer.output_format) == ("28x28", "png")
    assert answer.created > 1_700_000_000


def test_a_url_is_absolute_and_leads_to_the_picture(sdk, client, easel):
    item = sdk.images.generate(model="toy-cgan", prompt="7", response_format="url", extra_body={"seed": 1}).data[0]
    assert item.url.startswith(f"{easel.url}/v1/predictions/")
    assert item.b64_json is None
    assert np.array_equal(pixels_of(httpx.get(item.url).content), sampled(client, "toy-cgan", label=7, seed=1))


def test_who_names_no_form_gets_both(sdk):
    item = sdk.images.generate(model="toy-dcgan", prompt="anything").data[0]
    assert np.array_equal(pixels(item), pixels_of(httpx.get(item.url).content))
    assert sdk.images.generate(model="toy-dcgan", prompt="x", response_format="b64_json").data[0].url is None


def test_an_unconditional_model_takes_any_prompt_and_n_pictures(sdk):
    answer = sdk.images.generate(model="toy-dcgan", prompt="a horse, 3 and 7", n=3, size="auto")
    assert len({item.b64_json for item in answer.data}) == 3
    assert [item.seed - answer.data[0].seed for item in answer.data] == [0, 1, 2]


@pytest.mark.parametrize(("output_format", "kind"), [("jpeg", b"\xff\xd8"), ("webp", b"RIFF"), ("png", b"\x89PNG")])
def test_the_output_format_and_its_compression_are_kept(sdk, output_format, kind):
    def size(compression):
        answer = sdk.images.generate(
            model="toy-dcgan", prompt="", output_format=output_format, output_compression=compression,
            extra_body={"seed": 1},
        )  # fmt: skip
        data = base64.b64decode(answer.data[0].b64_json)
        assert data.startswith(kind)
        assert answer.output_format == output_format
        return len(data)

    assert size(0) < size(100) or output_format == "png"


@pytest.mark.parametrize(
    ("prompt", "direction"),
    [("AtoB", "AtoB"), ("btoa!", "BtoA"), ("make it right", "AtoB"), ("turn right into a left", "BtoA"), ("", "AtoB")],
)
def test_an_edit_goes_the_way_that_the_prompt_names(sdk, client, prompt, direction):
    answer = sdk.images.edit(model="toy-cyclegan", image=io.BytesIO(png()), prompt=prompt)
    direct = client.post("/v1/translate/toy-cyclegan", files={"image": png()}, data={"direction": direction})
    assert np.array_equal(pixels(answer.data[0]), pixels_of(direct.content))


def test_an_edit_takes_a_list_of_one_picture(sdk):
    assert sdk.images.edit(model="toy-pix2pix", image=[("a.png", png())], prompt="").data[0].url
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        sdk.images.edit(model="toy-pix2pix", image=[("a.png", png()), ("b.png", png())], prompt="")
    assert caught.value.param == "image"


def test_variations_lie_around_the_picture_and_strength_says_how_far(sdk, client):
    picture = png(28, "L")

    def vary(strength, n=2):
        body = {"strength": strength, "seed": 1}
        answer = sdk.images.create_variation(model="toy-vae", image=picture, n=n, extra_body=body)
        return [pixels(item).astype(float) for item in answer.data]

    request = '{"model": "toy-vae", "task": "reconstruct"}'
    rebuilt = client.post(
        "/v1/predictions", data={"request": request}, files={"image": picture}, headers={"Accept": "image/png"}
    )
    near, far = vary(0.1), vary(1)
    still = pixels_of(rebuilt.content).astype(float)
    assert all(np.array_equal(image, still) for image in vary(0))
    assert not np.array_equal(*near)
    assert 0 < np.abs(near[0] - still).mean() < np.abs(far[0] - still).mean()
    assert np.array_equal(vary(0.1, n=1)[0], near[0])


def test_models_are_listed_and_retrieved(sdk):
    found = {model.id: model for model in sdk.models.list()}
    assert found["toy-cgan"].owned_by == "easel"
    one = sdk.models.retrieve("toy-cgan")
    assert (one.id, one.object, one.created) == ("toy-cgan", "model", found["toy-cgan"].created)
    with pytest.raises(openai.NotFoundError):
        sdk.models.retrieve("nope")


GENERATION_ERRORS = [
    ({"model": "nope"}, openai.NotFoundError, "model_not_found", "model"),
    ({"model": "toy-cyclegan"}, openai.UnprocessableEntityError, "task_not_offered", "model"),
    ({"prompt": "a cat"}, openai.BadRequestError, "unsupported_value", "prompt"),
    ({"prompt": "77"}, openai.BadRequestError, "unsupported_value", "prompt"),
    ({"prompt": "3 or 7"}, openai.BadRequestError, "unsupported_value", "prompt"),
    ({"size": "1024x1024"}, openai.BadRequestError, "unsupported_value", "size"),
    ({"stream": True}, openai.BadRequestError, "unsupported_value", "stream"),
    ({"output_format": "svg"}, openai.UnprocessableEntityError, "invalid_input", "output_format"),
    ({"background": "transparent"}, openai.UnprocessableEntityError, "invalid_input", "background"),
    ({"n": 65}, openai.UnprocessableEntityError, "invalid_input", "n"),
    ({"n": 0}, openai.UnprocessableEntityError, "invalid_input", "n"),
    ({"extra_body": {"seed": -1}}, openai.UnprocessableEntityError, "invalid_input", "seed"),
    ({"extra_body": {"surprise": 1}}, openai.UnprocessableEntityError, "invalid_input", "surprise"),
]


@pytest.mark.parametrize(("change", "kind", "code", "param"), GENERATION_ERRORS)
def test_errors_are_the_sdks_own(sdk, change, kind, code, param):
    with pytest.raises(kind) as caught:
        sdk.images.generate(**{"model": "toy-cgan", "prompt": "7", **change})
    error = caught.value
    assert set(error.body) == {"message", "type", "param", "code"}
    assert (error.code, error.param, error.type) == (code, param, "invalid_request_error")
    assert error.request_id


def test_a_prompt_without_a_class_is_told_the_classes(sdk):
    with pytest.raises(openai.BadRequestError, match="names no class; toy-cgan takes one of: 0, 1, 2, 3"):
        sdk.images.generate(model="toy-cgan", prompt="a cat")


def test_a_bad_picture_and_a_wrong_way_are_the_sdks_own_errors_too(sdk):
    def edit(model, image, **more):
        return sdk.images.edit(**{"model": model, "image": image, "prompt": "", **more})

    with pytest.raises(openai.UnprocessableEntityError) as caught:
        edit("toy-pix2pix", png(256)[:20_000])
    assert (caught.value.code, caught.value.param) == ("truncated", "image")
    with pytest.raises(openai.APIStatusError) as caught:
        edit("toy-pix2pix", b"hello")
    assert (caught.value.status_code, caught.value.code) == (415, "not_an_image")
    with pytest.raises(openai.APIStatusError) as caught:
        edit("toy-pix2pix", b"\0" * 3_000_000)
    assert (caught.value.status_code, caught.value.code) == (413, "too_large")
    for more in ({"prompt": "AtoB"}, {"n": 2}):
        with pytest.raises(openai.BadRequestError) as caught:
            edit("toy-pix2pix", png(), **more)
        assert caught.value.param == next(iter(more))
    with pytest.raises(openai.UnprocessableEntityError, match="mask"):
        edit("toy-pix2pix", png(), mask=png())
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        sdk.images.create_variation(model="toy-dcgan", image=png())
    assert caught.value.code == "task_not_offered"


def test_requests_that_no_sdk_sends_are_answered_in_the_envelope(client):
    for answer, status, code in (
        (client.post("/v1/images/generations", content=b"{", headers={"Content-Type": "application/json"}), 400, None),
        (client.post("/v1/images/generations", json={"prompt": "7"}), 422, "invalid_input"),
        (client.post("/v1/images/edits", data={"model": "toy-pix2pix"}), 422, "invalid_input"),
        (client.get("/v1/images/generations"), 405, None),
        (client.post("/v1/images/nothing"), 404, None),
    ):
        error = answer.json()["error"]
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/json"
        assert set(error) == {"message", "type", "param", "code"}
        assert code in (None, error["code"])


def card(toy_zoo, model, **change):
    return Card.read(toy_zoo / model).model_copy(update=change)


def test_names_within_each_other_and_in_any_case_are_told_apart(toy_zoo):
    animals = card(toy_zoo, "toy-cgan", classes=("Bear", "polar bear", "c++"))
    assert label_in("a POLAR BEAR on ice", animals) == "polar bear"
    assert label_in("bear", animals) == "Bear"
    assert label_in("a c++ logo", animals) == "c++"


def test_of_two_domains_the_one_to_make_is_meant(toy_zoo):
    animals = card(toy_zoo, "toy-cyclegan", domains={"A": "horse", "B": "zebra"})
    for prompt, direction in (
        ("turn the horse into a zebra", "AtoB"),
        ("from zebra to horse", "BtoA"),
        ("a zebra", "AtoB"),
        ("the zebrafish", None),
    ):
        assert direction_in(prompt, animals) == direction
    with pytest.raises(Exception, match="say `to` before the one to make"):
        direction_in("horse zebra", animals)


def test_several_targets_and_a_class_by_its_number_go_as_further_inputs(sdk, client):
    image = png(32)
    listed = sdk.images.edit(
        model="toy-faces", prompt="anything", image=("a.png", image), extra_body={"targets": ["0", "3"]},
        response_format="b64_json",
    )  # fmt: skip
    one = sdk.images.edit(
        model="toy-faces", prompt="anything", image=("a.png", image), extra_body={"targets": ["3"]},
        response_format="b64_json",
    )  # fmt: skip
    for answer, targets in ((listed, "0,3"), (one, "3")):
        wanted = client.post("/v1/translate/toy-faces", files={"image": image}, data={"targets": targets})
        assert np.array_equal(pixels(answer.data[0]), pixels_of(wanted.content))
    drawn = sdk.images.generate(model="toy-cgan", prompt="anything", extra_body={"label": 7, "seed": 1}).data[0]
    assert np.array_equal(pixels(drawn), sampled(client, "toy-cgan", label=7, seed=1))
