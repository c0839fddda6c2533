"""Keys are listed, made and revoked by HTTP, by admins alone, and a token is told once."""

import asyncio

import httpx
import pytest

from app.access.keys import Keys
from core.embedded_redis import EmbeddedRedis
from tests.app.test_bad_input import assert_problem
from tests.app.test_life import stopped_worker


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def guarded(start_easel, folder):
    """An Easel that asks for keys."""
    return start_easel(data_dir=folder, auth="required", grafana_url="https://grafana.example.com/d/easel")


def client_of(easel, token):
    return httpx.Client(base_url=easel.url, headers={"Authorization": f"Bearer {token}"}, timeout=30)


@pytest.fixture(scope="module")
def admin(guarded, folder):
    async def make():
        async with Keys.at(EmbeddedRedis(folder / "redis").url) as keys:
            return await keys.create("boss", ["admin"])

    with client_of(guarded, asyncio.run(make())[1]) as opened:
        yield opened


def test_a_key_is_made_used_listed_without_its_token_and_revoked(guarded, admin):
    asked = {"name": "gallery", "scopes": ["predict", "read"], "rate": "7/minute", "daily": 50}
    answer = admin.post("/v1/keys", json=asked)
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    made = answer.json()
    assert {name: made[name] for name in asked} == asked
    assert made["outstanding"] is None
    with client_of(guarded, made["token"]) as client:
        [used] = client.get("/v1/usage").json()["data"]
        assert (used["key"], used["requests"]["limit"], used["images_today"]["limit"]) == (made["id"], 7, 50)

        listed = admin.get("/v1/keys")
        token = made.pop("token")
        assert listed.json()["data"][-1] == made
        secret = token.rpartition("_")[2]
        assert secret not in listed.text
        assert "digest" not in listed.text
        assert listed.json()["data"][0]["name"] == "boss"

        gone = admin.delete(f"/v1/keys/{made['id']}")
        assert gone.json() == {"object": "key", "id": made["id"], "deleted": True, "canceled": 0}
        assert_problem(client.get("/v1/usage"), 401, "unauthorized")
    assert_problem(admin.delete(f"/v1/keys/{made['id']}"), 404, "not_found")
    assert [key["name"] for key in admin.get("/v1/keys").json()["data"]] == ["boss"]


def test_a_name_is_enough_for_a_key_that_may_ask_for_pictures(admin):
    made = admin.post("/v1/keys", json={"name": "plain"}).json()
    assert made["scopes"] == ["predict"]
    assert (made["rate"], made["outstanding"], made["daily"]) == (None, None, None)
    assert admin.delete(f"/v1/keys/{made['id']}").status_code == 200


def test_what_a_revoked_key_asked_for_is_canceled(guarded, admin):
    made = admin.post("/v1/keys", json={"name": "hasty"}).json()
    with client_of(guarded, made["token"]) as client, stopped_worker(guarded):
        waiting = [client.post("/v1/predictions", json={"model": "toy-dcgan"}).json() for _ in range(2)]
        assert admin.delete(f"/v1/keys/{made['id']}").json()["canceled"] == 2
        assert {admin.get(f"/v1/predictions/{one['id']}").json()["status"] for one in waiting} == {"canceled"}


@pytest.mark.parametrize("scopes", [["predict"], ["read"], ["predict", "priority", "read"]])
def test_only_an_admin_manages_keys(guarded, admin, scopes):
    made = admin.post("/v1/keys", json={"name": "other", "scopes": scopes}).json()
    with client_of(guarded, made["token"]) as client:
        for answer in (
            client.get("/v1/keys"),
            client.post("/v1/keys", json={"name": "mine", "scopes": ["admin"]}),
            client.delete(f"/v1/keys/{made['id']}"),
        ):
            assert_problem(answer, 403, "missing_scope")
    assert admin.delete(f"/v1/keys/{made['id']}").status_code == 200, "it was still there"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/name"),
        ({"name": ""}, "/name"),
        ({"name": "x" * 65}, "/name"),
        ({"name": "x", "scopes": []}, "/scopes"),
        ({"name": "x", "scopes": ["all"]}, "/scopes/0"),
        ({"name": "x", "rate": "fast"}, "/rate"),
        ({"name": "x", "outstanding": 0}, "/outstanding"),
        ({"name": "x", "daily": 10**30}, "/daily"),
        ({"name": "x", "admin": True}, "/admin"),
    ],
)
def test_a_key_that_cannot_be_is_refused_with_where_and_makes_none(admin, body, pointer):
    before = admin.get("/v1/keys").json()
    assert_problem(admin.post("/v1/keys", json=body), 422, pointer=pointer)
    assert admin.get("/v1/keys").json() == before


def test_where_access_is_open_nobody_makes_keys_that_would_outlive_that(client):
    assert_problem(client.get("/v1/keys"), 409, "access_open")
    assert_problem(client.post("/v1/keys", json={"name": "x", "scopes": ["admin"]}), 409, "access_open")
    assert_problem(client.delete("/v1/keys/0b7ad439d156"), 409, "access_open")


def test_the_address_of_grafana_is_told_where_it_is_set(guarded, client):
    assert httpx.get(f"{guarded.url}/version").json()["grafana"] == "https://grafana.example.com/d/easel"
    assert client.get("/version").json()["grafana"] is None
