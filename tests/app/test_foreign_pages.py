"""What pages of other sites may do to an Easel that is open on loopback: nothing that changes anything."""

import asyncio
import json

import httpx
import pytest

from app.main import create_app
from core.settings import Settings
from tests.app.test_bad_input import assert_problem

EVIL = "https://evil.example.com"
FORM = {"data": {"request": json.dumps({"model": "toy-dcgan", "webhook": "https://evil.example.com/told"})}}


def made(client):
    return {found["id"] for found in client.get("/v1/predictions?limit=100").json()["data"]}


@pytest.mark.parametrize(
    "host", ["evil.example.com", "127.0.0.1.nip.io", "localhost.evil.example.com", "a@evil.example"]
)
@pytest.mark.parametrize("path", ["/", "/v1/models", "/v1/predictions"])
def test_a_name_that_was_made_to_resolve_to_this_machine_gets_nothing(client, host, path):
    assert_problem(client.get(path, headers={"Host": host}), 403, "foreign_host")


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8000", "[::1]:8000", "localhost", "LOCALHOST:80", "easel.localhost", "localhost.", "api:8000"]
)
def test_addresses_and_local_names_are_answered(client, host):
    assert client.get("/v1/models", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000", "Host": "localhost:8000"},
        {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:3000"},
    ],
)
def test_a_page_of_another_site_changes_nothing(client, headers):
    before = made(client)
    for method, path, body in (
        ("POST", "/v1/predictions", FORM),
        ("POST", "/v1/sample/toy-dcgan", {}),
        ("PUT", "/v1/predictions/named-by-a-page", FORM),
        ("POST", "/v1/models/toy-dcgan/unload", {}),
        ("POST", "/v1/uploads", {}),
        ("DELETE", "/v1/predictions/some", {}),
    ):
        assert_problem(client.request(method, path, headers=headers, **body), 403, "cross_site")
    assert made(client) == before


def test_the_page_itself_a_visit_of_the_user_and_what_is_no_browser_go_on(easel, client):
    for headers in (
        {},
        {"Sec-Fetch-Site": "same-origin", "Origin": easel.url},
        {"Sec-Fetch-Site": "none"},
        {"Origin": easel.url},
        {"Origin": "https://localhost:8443", "Host": "localhost:8443"},  # a proxy ends TLS
    ):
        assert client.post("/v1/sample/toy-dcgan", headers=headers).status_code == 200, headers
    assert client.get("/v1/models", headers={"Sec-Fetch-Site": "cross-site", "Origin": EVIL}).status_code == 200


def allowed(headers, **settings):
    """Whether a request with these headers gets past the guard of an Easel with these settings."""

    async def ask():
        transport = httpx.ASGITransport(create_app(Settings(**settings)))
        async with httpx.AsyncClient(transport=transport, base_url="http://easel") as client:
            return await client.post("/version", headers=headers)

    return asyncio.run(ask()).status_code == 405


def test_settings_name_the_servers_and_the_pages_that_may():
    named = {"Host": "art.example.com"}
    assert not allowed(named)
    assert allowed(named, server_names=("Art.example.com",))
    assert allowed(named, host="art.example.com", auth="open")
    assert allowed(named, auth="required"), "such a page has no key"
    assert not allowed({"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}, auth="required")
    assert allowed({"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}, cors_origins=(EVIL,))
