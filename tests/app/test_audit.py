"""The audit log: keys made and revoked and admins' rights used, by HTTP and by commands, whatever came of it."""

import asyncio
import getpass
import json
import pkgutil
import threading
from importlib import import_module

import httpx
import pytest

import app.routes
from app.access.keys import Keys
from app.routes.dependencies import ADMINS_ACTIONS, may_manage
from core.audit import MOST_CHARACTERS, Act, AuditLog
from core.embedded_redis import EmbeddedRedis
from tests.app.test_access import cli


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("audited")


@pytest.fixture(scope="module")
def guarded(start_easel, folder):
    """An Easel that asks for keys."""
    return start_easel(data_dir=folder, auth="required")


@pytest.fixture(scope="module")
def as_key(guarded, folder):
    """A client with a key of the scopes, and the key's id."""
    opened = []

    def client(*scopes):
        async def make():
            async with Keys.at(EmbeddedRedis(folder / "redis").url) as keys:
                return await keys.create("test", scopes)

        key, token = asyncio.run(make())
        opened.append(httpx.Client(base_url=guarded.url, headers={"Authorization": f"Bearer {token}"}, timeout=60))
        return opened[-1], key.id

    yield client
    for one in opened:
        one.close()


@pytest.fixture
def news(folder):
    """The lines that have been added since the test began."""
    file = folder / "audit.jsonl"
    before = file.stat().st_size if file.exists() else 0

    def added():
        return [json.loads(line) for line in file.read_bytes()[before:].splitlines()]

    return added


def short(lines):
    return [(line["action"], line["object"], line["outcome"], line["status"]) for line in lines]


def test_keys_and_models_managed_by_http_are_in_it_before_the_answer_is(as_key, news, folder):
    admin, boss = as_key("admin")
    made = admin.post("/v1/keys", json={"name": "gallery", "scopes": ["read"]}).json()
    (created,) = news()
    assert created.items() >= {
        "by": "http", "key": boss, "action": "key.create", "object": made["id"], "outcome": "done", "status": 201,
        "name": "gallery", "scopes": ["read"],
    }.items()  # fmt: skip
    assert created["time"].endswith("+00:00")
    assert (folder / "audit.jsonl").stat().st_mode & 0o777 == 0o600
    assert made["token"] not in (folder / "audit.jsonl").read_text()
    admin.get("/v1/keys")
    answer = admin.post("/v1/models/toy-dcgan/load")
    assert answer.status_code == 202
    admin.post("/v1/models/no-such/unload")
    admin.post("/v1/models/refresh")
    admin.post("/v1/keys", json={"name": ""})
    admin.delete(f"/v1/keys/{made['id']}")
    admin.delete(f"/v1/keys/{made['id']}")
    assert short(news()[1:]) == [
        ("key.list", "", "done", 200),
        ("model.load", "toy-dcgan", "done", 202),
        ("model.unload", "no-such", "refused", 404),
        ("model.refresh", "", "done", 200),
        ("key.create", "", "refused", 422),
        ("key.revoke", made["id"], "done", 200),
        ("key.revoke", made["id"], "refused", 404),
    ]
    assert news()[2]["request"] == answer.headers["x-request-id"]
    assert {line["key"] for line in news()} == {boss}


@pytest.mark.parametrize("scope", ["read", "predict"])
def test_who_may_not_is_in_it_for_having_tried(as_key, news, scope):
    client, id = as_key(scope)
    assert client.post("/v1/keys", json={"name": "mine", "scopes": ["admin"]}).status_code == 403
    assert client.delete("/v1/models/toy-dcgan").status_code == 403
    assert short(news()) == [("key.create", "", "refused", 403), ("model.remove", "toy-dcgan", "refused", 403)]
    assert {line["key"] for line in news()} == {id}


def test_what_an_admin_does_with_others_predictions_is_in_it_and_with_its_own_is_not(as_key, news):
    (admin, boss), (artist, _) = as_key("admin"), as_key("predict")
    headers = {"Prefer": "wait=30"}
    theirs = artist.post("/v1/predictions", json={"model": "toy-dcgan"}, headers=headers).json()
    own = admin.post("/v1/predictions", json={"model": "toy-dcgan"}, headers=headers).json()
    for client, made in ((artist, theirs), (admin, own)):
        assert client.get(made["urls"]["get"]).status_code == 200
        assert client.get(made["output"][0]["url"]).status_code == 200
        assert client.post(made["urls"]["cancel"]).status_code == 200
    assert artist.get("/v1/predictions").status_code == 200
    assert artist.get("/v1/usage").status_code == 200
    assert admin.get("/v1/models").status_code == 200
    assert artist.get(own["urls"]["get"]).status_code == 404
    assert news() == []
    admin.get(theirs["output"][0]["url"])
    admin.get("/v1/predictions")
    admin.get("/v1/usage")
    admin.post(theirs["urls"]["cancel"])
    admin.delete(theirs["urls"]["get"])
    id = theirs["id"]
    assert short(news()) == [
        ("prediction.read", id, "done", 200),
        ("prediction.list", "", "done", 200),
        ("usage.list", "", "done", 200),
        ("prediction.cancel", id, "done", 200),
        ("prediction.delete", id, "done", 204),
    ]
    assert {line["key"] for line in news()} == {boss}


def test_nobody_writes_into_it_without_a_key(guarded, news):
    assert httpx.post(f"{guarded.url}/v1/keys", json={"name": "mine"}).status_code == 401
    assert news() == []


def test_commands_are_in_it_with_who_ran_them(guarded, folder, toy_zoo, tmp_path, news):
    def run(*arguments):
        return cli(*arguments, EASEL_DATA_DIR=str(folder), EASEL_MODELS=str(tmp_path))

    made = run("keys", "create", "gallery", "--scope", "read")
    id = made.stderr.split()[0]
    run("keys", "grant", id, "predict")
    run("keys", "revoke", id)
    assert run("keys", "revoke", id).returncode == 1
    assert run("keys", "create", "x", "--rate", "fast").returncode == 1
    added = run("models", "add", str(toy_zoo / "toy-dcgan"))
    reference = added.stdout.split()[0]
    run("models", "alias", "newest", reference)
    run("models", "alias", "newest", "--forget")
    run("models", "rollback", "toy-dcgan")
    run("models", "remove", "toy-dcgan")
    lines = news()
    assert {(line["by"], line["user"]) for line in lines} == {("cli", getpass.getuser())}
    assert [(line["action"], line["object"], line["outcome"]) for line in lines] == [
        ("key.create", id, "done"),
        ("key.grant", id, "done"),
        ("key.revoke", id, "done"),
        ("key.revoke", id, "refused"),
        ("key.create", "", "refused"),
        ("model.add", reference, "done"),
        ("alias.set", "newest", "done"),
        ("alias.forget", "newest", "done"),
        ("model.rollback", "toy-dcgan", "refused"),
        ("model.remove", "toy-dcgan", "done"),
    ]
    assert (lines[0]["name"], lines[1]["scope"], lines[6]["version"]) == ("gallery", "predict", reference)


def test_every_route_for_admins_alone_has_a_name_there():
    modules = [import_module(f"app.routes.{each.name}") for each in pkgutil.iter_modules(app.routes.__path__)]
    guarded = {
        (method, route.path)
        for module in modules
        for route in getattr(getattr(module, "router", None), "routes", ())
        if may_manage in {each.dependency for each in route.dependencies}
        for method in route.methods
    }
    assert guarded == set(ADMINS_ACTIONS)


def test_an_audit_log_that_cannot_be_written_is_refused_if_asked_for(tmp_path):
    (tmp_path / "file").write_text("")
    done = cli("api", EASEL_REDIS_URL="redis://127.0.0.1:1", EASEL_AUDIT_LOG=str(tmp_path / "file" / "log"))
    assert done.returncode == 1
    assert "EASEL_AUDIT_LOG" in done.stderr
    made = cli("keys", "list", EASEL_DATA_DIR=str(tmp_path / "none"))
    assert made.returncode == 1, "what only looks needs no log"


def test_lines_of_many_writers_stay_whole_and_a_torn_one_harms_no_other(tmp_path):
    log = AuditLog(tmp_path / "deep" / "audit.jsonl")
    line = Act("key.create", "k" * 1000, {"name": "é\n\x00"}).line("done", by="cli")
    threads = [threading.Thread(target=lambda: [log.write([line]) for _ in range(20)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.file.write_bytes(log.file.read_bytes() + b'{"time": "2026')
    log.write([line])
    *whole, torn, last = log.file.read_text().splitlines()
    assert [json.loads(each) for each in (*whole, last)] == [line] * 161
    assert torn == '{"time": "2026'
    assert len(line["object"]) == MOST_CHARACTERS
