"""The Python client, against a running Easel and against its OpenAPI document."""

import asyncio
import time
from typing import get_args

import httpx
import pytest

from easel.client import AsyncEasel, Easel, EaselError, Event, Image, Prediction, Status, Urls
from tests.conftest import png


@pytest.fixture
def caller(easel):
    with Easel(easel.url) as opened:
        yield opened


def asynchronously(easel, act):
    async def run():
        async with AsyncEasel(easel.url) as caller:
            return await act(caller)

    return asyncio.run(run())


def test_its_types_are_those_of_the_document(client):
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    assert Prediction.__annotations__.keys() == schemas["Prediction"]["properties"].keys()
    told = schemas["OutputImage"]["properties"].keys() | schemas["OutputNumbers"]["properties"].keys()
    assert Image.__annotations__.keys() == told
    assert Urls.__annotations__.keys() == schemas["Urls"]["properties"].keys()
    assert set(get_args(Status)) == set(schemas["Status"]["enum"])


def test_pictures_are_made_and_fetched(easel, caller):
    made = caller.predict("toy-dcgan", {"n": 2, "seed": 5}, output={"format": "webp"})
    assert [image["seed"] for image in made["output"]] == [5, 6]
    assert caller.image(made, 1)[8:12] == b"WEBP"

    async def act(other):
        again = await other.predict("toy-dcgan", {"n": 2, "seed": 5}, output={"format": "webp"})
        return await other.image(again, 1)

    assert asynchronously(easel, act) == caller.image(made, 1)


def test_inputs_may_be_bytes_paths_and_uploads(easel, caller, tmp_path):
    (tmp_path / "in.png").write_bytes(png())
    kinds = [png(), tmp_path / "in.png", caller.upload(tmp_path / "in.png")]
    made = [caller.image(caller.predict("toy-cyclegan", {"image": kind})) for kind in kinds]
    assert made[0] == made[1] == made[2]

    async def act(other):
        return await other.upload(png())

    assert asynchronously(easel, act).startswith("upload:")


def test_a_prediction_is_watched_to_its_end(easel, caller):
    made = caller.create("toy-diffusion", {"label": 1, "steps": 4})
    events = list(caller.watch(made))
    assert events[-1].name == "completed"
    assert events[-1].data["status"] == "succeeded"
    assert all(isinstance(event, Event) for event in events)

    async def act(other):
        return [event.name async for event in other.watch(await other.create("toy-diffusion", {"label": 1}))]

    assert asynchronously(easel, act)[-1] == "completed"


def test_refusals_say_which_input_is_wrong(caller):
    with pytest.raises(EaselError) as refusal:
        caller.predict("toy-dcgan", {"n": 0})
    assert (refusal.value.status, refusal.value.errors[0]["pointer"]) == (422, "/input/n")
    with pytest.raises(EaselError, match="there is no model 'nothing'"):
        caller.create("nothing")
    assert any(model["id"] == "toy-dcgan" for model in caller.models())


def endless(asked):
    """A server on which nothing ends; it notes what it was asked."""

    def answer(request):
        asked.append((request.method, request.url.path))
        path = request.url.path.removesuffix("/cancel")
        return httpx.Response(202, json={"status": "processing", "urls": {"get": path, "cancel": f"{path}/cancel"}})

    return httpx.MockTransport(answer)


def test_a_canceled_task_cancels_its_prediction():
    asked = []

    async def act():
        async with AsyncEasel(transport=endless(asked)) as caller:
            task = asyncio.create_task(caller.predict("toy-diffusion"))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(act())
    assert asked[-1] == ("POST", f"{asked[0][1]}/cancel")


def test_an_interrupt_cancels_the_prediction(monkeypatch):
    def interrupted(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupted)
    asked = []
    with Easel(transport=endless(asked)) as caller, pytest.raises(KeyboardInterrupt):
        caller.predict("toy-diffusion")
    assert asked == [("PUT", asked[0][1]), ("POST", f"{asked[0][1]}/cancel")]


def test_what_a_proxy_answers_is_an_error_too():
    def answer(request):
        return httpx.Response(502, text="<html>", headers={"Retry-After": "3"})

    with Easel(transport=httpx.MockTransport(answer)) as caller, pytest.raises(EaselError) as refusal:
        caller.models()
    assert (refusal.value.status, refusal.value.retry_after_s) == (502, 3)
