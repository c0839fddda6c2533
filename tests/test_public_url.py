"""Behind a proxy, below a path that it strips: what an answer names is found there."""

import asyncio
import json
import re

import httpx
import pytest
from openai import OpenAI
from pydantic import ValidationError
from starlette.testclient import TestClient

from app.access.keys import Keys
from app.main import create_app
from core.embedded_redis import EmbeddedRedis
from core.settings import Settings
from easel.client import Easel as Client
from tests.conftest import png
from tests.proxy import below
from tests.receiver import listening


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("below")


@pytest.fixture(scope="module")
def public(start_easel, folder):
    """The address of an Easel that asks for keys, below a path whose first part could be one of its own."""
    settings = {"data_dir": folder, "auth": "required", "webhook_allow_private": True}
    with below(start_easel, "/v1/easel", **settings) as (address, _):
        yield address


@pytest.fixture(scope="module")
def token(public, folder):
    async def make():
        async with Keys.at(EmbeddedRedis(folder / "redis").url) as keys:
            return (await keys.create("admin", ["admin"]))[1]

    return asyncio.run(make())


@pytest.fixture(scope="module")
def client(public, token):
    """A client of the proxy. It has no base: all addresses are whole."""
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=60) as opened:
        yield opened


def addresses(found):
    """All addresses in an answer."""
    if isinstance(found, dict):
        return [each for value in found.values() for each in addresses(value)]
    if isinstance(found, list):
        return [each for value in found for each in addresses(value)]
    return [found] if isinstance(found, str) and re.search("(^|[^.])/v1/", found) else []


def require_found(client, found, public, least):
    named = addresses(found)
    assert len(named) >= least, found
    for address in named:
        assert address.startswith(f"{public}/v1/"), address
        if not address.endswith(("/cancel", "/events")):
            assert client.get(address).status_code == 200, address


def test_what_predictions_name_is_found(client, public):
    body = {"model": "toy-dcgan", "input": {"n": 2}, "output": {"grid": True, "archive": True}}
    answer = client.post(f"{public}/v1/predictions", json=body, headers={"Prefer": "wait=30"})
    made = answer.json()
    require_found(client, made, public, least=9)  # get, cancel, events, grid, archive, and of each image url and link
    assert answer.headers["location"] == made["urls"]["get"] == f"{public}/v1/predictions/{made['id']}"
    for image in made["output"]:
        assert httpx.get(image["link"]).content == client.get(image["url"]).content, "the link needs no key"
        assert httpx.get(image["link"][:-1] + ("0" if image["link"][-1] != "0" else "1")).status_code == 401
    page = client.get(f"{public}/v1/predictions?limit=1").json()
    require_found(client, page["data"], public, least=3)
    require_found(client, client.post(made["urls"]["cancel"]).json(), public, least=3)
    with client.stream("GET", made["urls"]["events"]) as events:
        told = [line for line in events.iter_lines() if line.startswith("data: ")][-1]
    require_found(client, json.loads(told.removeprefix("data: ")), public, least=9)
    picture = client.post(f"{public}/v1/sample/toy-dcgan")
    assert client.get(picture.headers["content-location"]).json()["status"] == "succeeded"


def test_what_else_is_named_is_found(client, public):
    models = client.get(f"{public}/v1/models").json()
    named = addresses(models["data"])
    assert all(address.startswith(f"{public}/v1/models/") for address in named)
    require_found(client, client.get(f"{public}/v1/models/mnist-cgan").json()["sheet"], public, least=1)
    horses = client.get(f"{public}/v1/models/horse2zebra-cyclegan").json()
    require_found(client, [horses["cover"], horses["examples"]], public, least=2)
    kept = client.post(f"{public}/v1/uploads", files={"file": ("a.png", png(), "image/png")})
    assert client.get(kept.headers["location"]).json() == kept.json()
    document = client.get(f"{public}/openapi.json").json()
    assert document["servers"] == [{"url": public}]


def test_a_webhook_names_what_its_receiver_can_reach(client, public):
    with listening() as receiver:
        body = {"model": "toy-dcgan", "webhook": receiver.url}
        client.post(f"{public}/v1/predictions", json=body)
        (notice,) = receiver.wait_for(1)
    require_found(client, json.loads(notice.body)["data"], public, least=4)


def test_clients_work_with_the_public_address_alone(client, public, token):
    with Client(public, token) as own:
        made = own.predict("toy-dcgan")
        assert own.get(made) == own.find(made["id"])
        assert own.image(made) == client.get(made["output"][0]["url"]).content
    openai = OpenAI(base_url=f"{public}/v1", api_key=token)
    image = openai.images.generate(model="toy-dcgan", prompt="a digit", response_format="url").data[0]
    assert image.url.startswith(f"{public}/v1/predictions/")
    assert httpx.get(image.url).headers["content-type"] == "image/png"


def test_the_public_name_is_the_servers_own_where_access_is_open(redis_url, redis, toy_zoo):
    public = "https://pictures.example.org:8443/easel"
    settings = Settings(redis_url=redis_url, models=str(toy_zoo), auth="open", public_url=public)
    with TestClient(create_app(settings), "http://pictures.example.org:8443") as client:
        assert client.get("/version").status_code == 200
        assert client.get("/version", headers={"Host": "evil.example.org"}).json()["code"] == "foreign_host"
        for origin, code in (("https://pictures.example.org:8443", "no_worker"), ("https://evil.org", "cross_site")):
            headers = {"Origin": origin, "Host": "127.0.0.1:8000"}
            answer = client.post("/v1/predictions", json={"model": "toy-dcgan"}, headers=headers)
            assert answer.json()["code"] == code
        assert client.get("/v1/models/", follow_redirects=False).status_code == 404, "no way out of the path"


@pytest.mark.parametrize(
    "address",
    [
        "example.org", "ftp://example.org", "https://", "https://example.org/a?b=1", "https://example.org/a#b",
        "https://me:secret@example.org", "https://example.org/a b", "https://example.org/../a", "https://example.org//a",
        "https://example.org:0/", 'https://example.org/"a"',
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_is_refused_in_words(address):
    with pytest.raises(ValidationError, match="https://name/path"):
        Settings(public_url=address)


def test_an_address_may_end_with_a_slash_and_have_a_port():
    for told in ("https://example.org/easel/", "http://127.0.0.1:8080", "https://[::1]/a/b-c.d", "https://h/..a"):
        assert Settings(public_url=told).home == told.rstrip("/")
    assert Settings().home == ""
