"""Who may ask, for what, how much, and from which pages."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from redis import Redis

from app.access.keys import Keys
from app.access.limits import Limits
from app.access.links import signed
from core.embedded_redis import EmbeddedRedis
from core.settings import Settings
from jobs import commands, keys, prediction, records, scripts
from jobs.admission import Claim
from jobs.prediction import Order
from models.card import Task
from tests.app.test_life import stopped_worker
from tests.conftest import png

PAGE = "https://art.example.com"
PNG = {"Content-Type": "image/png"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("guarded")


@pytest.fixture(scope="module")
def guarded(start_easel, folder):
    """An Easel that asks for keys."""
    return start_easel(data_dir=folder, auth="required", cors_origins=PAGE, key_uploads_mb=0.1, max_queue=20)


@pytest.fixture(scope="module")
def make_key(guarded, folder):
    """Makes a key; answers with its id and token."""

    async def make(*scopes, **limits):
        async with Keys.at(EmbeddedRedis(folder / "redis").url) as keys:
            key, token = await keys.create("test", scopes or ["predict"], **limits)
            return key.id, token

    return lambda *scopes, **limits: asyncio.run(make(*scopes, **limits))


@pytest.fixture(scope="module")
def as_key(guarded, make_key):
    """A client with a key of its own."""
    opened = []

    def client(*scopes, token=None, **limits):
        token = token or make_key(*scopes, **limits)[1]
        headers = {"Authorization": f"Bearer {token}"}
        opened.append(httpx.Client(base_url=guarded.url, headers=headers, timeout=30))
        return opened[-1]

    yield client
    for one in opened:
        one.close()


def cli(*arguments, **environment):
    command = [sys.executable, "-m", "cli", *arguments]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60)


def sample(client, **fields):
    return client.post("/v1/sample/toy-dcgan", data=fields)


def test_a_missing_an_unknown_and_a_revoked_key_get_the_same_401(guarded, folder, make_key):
    id, token = make_key()
    known = {"Authorization": f"Bearer {token}"}
    assert httpx.get(f"{guarded.url}/v1/models", headers=known).status_code == 200
    revoked = cli("keys", "revoke", id, EASEL_DATA_DIR=str(folder))
    assert revoked.returncode == 0, revoked.stderr
    other_id, other = make_key()
    wrong = [
        {},
        known,
        {"Authorization": f"Bearer {other[:-1]}{'A' if other[-1] != 'A' else 'B'}"},
        {"Authorization": f"Bearer ek_{other_id}_"},
        {"Authorization": b"Bearer \xe9"},
        {"Authorization": f"Basic {other}"},
    ]
    answers = [httpx.get(f"{guarded.url}/v1/models", headers=headers) for headers in wrong]
    assert {answer.status_code for answer in answers} == {401}
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}
    assert len({str(answer.json() | {"request_id": ""}) for answer in answers}) == 1
    assert answers[0].json()["code"] == "unauthorized"
    assert answers[0].headers["content-type"] == "application/problem+json"


def test_every_route_of_v1_needs_a_key_and_says_so(guarded):
    document = httpx.get(f"{guarded.url}/openapi.json").json()
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            if path.startswith("/v1") or path == "/metrics":
                url = guarded.url + re.sub(r"{\w+}", "0", path)
                assert httpx.request(method, url).status_code == 401, (method, path)
                assert told["security"] == [{"key": []}]
                assert {"401", "403"} <= set(told["responses"])
    for path in ("/v1/predictions", "/v1/sample/{model}", "/v1/translate/{model}"):
        assert "429" in document["paths"][path]["post"]["responses"]


def test_health_and_documentation_stay_open(guarded):
    for path in ("/livez", "/readyz", "/version", "/docs", "/openapi.json"):
        assert httpx.get(guarded.url + path).status_code == 200, path


def test_a_key_does_what_its_scopes_say(as_key):
    tried = {
        "look": lambda client: client.get("/v1/models"),
        "ask": sample,
        "measure": lambda client: client.get("/metrics"),
        "watch": lambda client: client.get("/v1/queue"),
        "hurry": lambda client: sample(client, priority="high"),
        "manage": lambda client: client.post("/v1/models/toy-vae/load"),
    }
    allowed = {
        "read": {"look", "measure", "watch"},
        "predict": {"look", "ask"},
        "predict priority": {"look", "ask", "hurry"},
        "admin": {"look", "ask", "hurry", "measure", "watch", "manage"},
    }
    for scope, can in allowed.items():
        client = as_key(*scope.split())
        for name, act in tried.items():
            answer = act(client)
            assert answer.status_code == (403 if name not in can else 202 if name == "manage" else 200), (scope, name)
            assert name in can or answer.json()["code"] == "missing_scope"


def test_a_scope_is_granted_to_a_key_that_is_there(as_key, make_key, folder):
    id, token = make_key()
    client = as_key(token=token)
    assert sample(client, priority="high").status_code == 403
    granted = cli("keys", "grant", id, "priority", EASEL_DATA_DIR=str(folder))
    assert granted.stdout == f"{id} has predict, priority\n"
    assert sample(client, priority="high").status_code == 200
    for arguments, words in (((id, "all"), "scopes: one of"), (("none", "priority"), "there is no key none")):
        assert words in cli("keys", "grant", *arguments, EASEL_DATA_DIR=str(folder)).stderr


def test_a_prediction_is_its_owners_and_admins_and_for_others_does_not_exist(as_key):
    owner, other, reader, admin = as_key(), as_key(), as_key("read"), as_key("admin")
    made = owner.post("/v1/predictions", json={"model": "toy-dcgan"}, headers={"Prefer": "wait=20"}).json()
    here, image = made["urls"]["get"], made["output"][0]["url"]
    unknown = other.get("/v1/predictions/" + "0" * 32).json() | {"request_id": ""}
    for client, status in ((owner, 200), (admin, 200), (other, 404), (reader, 404)):
        for path in (here, image):
            answer = client.get(path)
            assert answer.status_code == status
            assert status == 200 or answer.json() | {"request_id": ""} == unknown


def test_the_history_shows_a_key_its_own_and_an_admin_all(as_key):
    clients = [as_key(), as_key()]
    made = [client.post("/v1/predictions", json={"model": "toy-dcgan"}).json()["id"] for client in clients]
    seen = [{found["id"] for found in client.get("/v1/predictions").json()["data"]} for client in clients]
    assert seen == [{id} for id in made]
    assert set(made) <= {found["id"] for found in as_key("admin").get("/v1/predictions").json()["data"]}


def test_nobody_cancels_deletes_watches_or_overwrites_what_is_anothers(as_key):
    owner, other = as_key(), as_key()
    made = owner.post("/v1/predictions", json={"model": "toy-dcgan"}, headers={"Prefer": "wait=20"}).json()
    here = made["urls"]["get"]
    for method, path in (("POST", "/cancel"), ("DELETE", ""), ("GET", "/events"), ("GET", "/archive.zip")):
        assert other.request(method, here + path).status_code == 404, path
    assert other.put(here, json={"model": "toy-dcgan"}).json()["urls"]["get"] != here
    assert owner.get(here).json() == made


def test_an_id_that_a_key_chooses_is_its_own_whoever_chose_it_before(as_key):
    clients, asks = [as_key(), as_key()], {"json": {"model": "toy-dcgan"}, "headers": {"Prefer": "wait=20"}}
    made = [client.put("/v1/predictions/order-17", **asks).json() for client in clients]
    assert [each["id"] for each in made] == ["order-17", "order-17"]
    assert made[0]["urls"]["get"] != made[1]["urls"]["get"]
    for client, mine, theirs in zip(clients, made, reversed(made), strict=True):
        for path in ("/v1/predictions/order-17", mine["urls"]["get"]):
            assert client.get(path).json() == mine
        assert client.get(mine["output"][0]["url"]).status_code == 200
        assert client.get(theirs["urls"]["get"]).status_code == 404
        assert client.put("/v1/predictions/order-17", **asks).json() == mine
        assert "completed" in client.get("/v1/predictions/order-17/events").text
        assert [found["id"] for found in client.get("/v1/predictions").json()["data"]] == ["order-17"]
    assert as_key("admin").get(made[0]["urls"]["get"]).json()["urls"] == made[0]["urls"]


def test_an_idempotency_key_never_stands_for_an_id(as_key, client):
    for caller in (as_key(), client):
        wait = {"Prefer": "wait=20"}
        put = caller.put("/v1/predictions/named-7", json={"model": "toy-dcgan"}, headers=wait).json()
        for key in ("put:named-7", "id:named-7", "named-7"):
            posted = caller.post(
                "/v1/predictions", json={"model": "toy-dcgan"}, headers={"Idempotency-Key": key, **wait}
            )
            assert posted.json()["urls"]["get"] != put["urls"]["get"]


def test_what_a_revoked_key_asked_for_is_canceled_and_its_streams_end(guarded, folder, make_key, as_key):
    (id, token), (reader_id, reader) = make_key(), make_key("admin")
    client, watcher = as_key(token=token), as_key(token=reader)
    with stopped_worker(guarded):
        waiting = [client.post("/v1/predictions", json={"model": "toy-dcgan"}).json() for _ in range(2)]
        with ThreadPoolExecutor(2) as pool:
            streams = [pool.submit(each.get, waiting[0]["urls"]["events"], timeout=30) for each in (client, watcher)]
            time.sleep(1)
            assert cli("keys", "revoke", reader_id, EASEL_DATA_DIR=str(folder)).returncode == 0
            assert "completed" not in streams[1].result(10).text
            assert not streams[0].done(), "it watches still"
            revoked = cli("keys", "revoke", id, EASEL_DATA_DIR=str(folder))
            assert "2 of its predictions are canceled" in revoked.stdout
            streams[0].result(10)
        admin = as_key("admin")
        assert {admin.get(each["urls"]["get"]).json()["status"] for each in waiting} == {"canceled"}


def test_a_request_of_a_key_that_is_revoked_on_its_way_makes_nothing(redis):
    wanted = Order(model="toy-dcgan", task=Task.SAMPLE, input={"n": 1}, owner="0b7ad439d156")
    claim = Claim("late", "toy-dcgan", prediction.Priority.NORMAL, max_queue=10, owner=wanted.owner)
    call, _ = commands.enqueue(claim, wanted, 60, 100, pool="default")
    assert redis.eval(scripts.ENQUEUE, len(call.keys), *call.keys, *call.args) == [b"revoked"]
    assert not redis.exists(keys.job_key("late"))


def test_an_idempotency_key_is_its_callers_and_what_is_sent_again_is_not_counted_again(as_key):
    one, other = as_key(daily=1, outstanding=1), as_key()
    asks = {"json": {"model": "toy-dcgan"}, "headers": {"Idempotency-Key": "order-1", "Prefer": "wait=20"}}
    first = one.post("/v1/predictions", **asks)
    assert first.status_code == 201
    assert other.post("/v1/predictions", **asks).json()["id"] != first.json()["id"]
    two = as_key(daily=2, outstanding=1)
    made = {two.post("/v1/predictions", **asks).json()["id"] for _ in range(4)}
    assert len(made) == 1
    assert sample(two).status_code == 200


def test_what_was_made_in_the_open_is_not_for_every_key_to_see(guarded, folder, as_key):
    """It belongs to nobody: `owner` is empty."""
    with Redis.from_url(EmbeddedRedis(folder / "redis").url) as redis:
        order = prediction.Order(model="toy-dcgan", task="sample", input={"n": 1, "seed": 1})
        redis.hset(keys.job_key("f" * 32), mapping=records.new_job("f" * 32, order, prediction.Priority.LOW, 60, 60))
    assert as_key().get("/v1/predictions/" + "f" * 32).status_code == 404
    assert as_key("admin").get("/v1/predictions/" + "f" * 32).status_code == 200


def test_beyond_its_rate_a_key_gets_429_and_is_served_again_after_retry_after(as_key):
    client = as_key(rate="2/second")

    def ask():  # what is counted is the request, so one that fails fast will do
        return client.post("/v1/predictions", json={"model": "nope"})

    first, second, third = ask(), ask(), ask()
    assert [answer.status_code for answer in (first, second, third)] == [404, 404, 429]
    assert [answer.headers["ratelimit-remaining"] for answer in (first, second, third)] == ["1", "0", "0"]
    assert third.json()["code"] == "rate_limited"
    assert third.headers["retry-after"] == third.headers["ratelimit-reset"] == "1"
    time.sleep(1)
    assert ask().status_code == 404


def test_retry_after_counts_down_and_no_other_key_is_touched(as_key):
    client = as_key(rate="1/minute")
    served = sample(client)
    assert served.status_code == 200
    assert (served.headers["ratelimit-limit"], served.headers["ratelimit-remaining"]) == ("1", "0")
    time.sleep(1.1)
    refused = sample(client)
    assert refused.status_code == 429
    assert 40 <= int(refused.headers["retry-after"]) <= 59
    assert sample(as_key(rate="1/minute")).status_code == 200
    assert client.get("/v1/models").status_code == 200


def test_a_days_images_are_counted_and_what_is_refused_is_not(as_key):
    client = as_key(daily=10)
    assert sample(client, n=4).status_code == 200
    walk = {"model": "toy-vae", "task": "interpolate", "input": {"seeds": [1, 2], "frames": 5}}
    assert client.post("/v1/predictions", json=walk).status_code == 202
    refused = sample(client, n=2)
    assert refused.status_code == 429
    assert refused.json()["code"] == "quota_exceeded"
    assert (refused.headers["ratelimit-limit"], refused.headers["ratelimit-remaining"]) == ("10", "1")
    assert 86_000 < int(refused.headers["retry-after"]) <= 86_400
    assert sample(client, n=1).status_code == 200
    assert sample(client, n=1).status_code == 429


def test_usage_tells_a_key_its_own_and_an_admin_all(as_key):
    client, admin = as_key(rate="50/minute", outstanding=7, daily=10), as_key("admin")
    made = client.post("/v1/predictions", json={"model": "toy-dcgan", "input": {"n": 3}}, headers={"Prefer": "wait=20"})
    assert sample(client, n=0).status_code == 422
    upload = client.post("/v1/uploads", content=png(), headers=PNG).json()
    answer = client.get("/v1/usage")
    (told,) = answer.json()["data"]
    results = told["kept"]["used"] - upload["bytes"]
    images = [client.get(image["url"]).content for image in made.json()["output"]]
    assert sum(map(len, images)) < results < sum(map(len, images)) + 3000, "they, the request and the answer"
    assert 86_000 < told["images_today"].pop("reset_s") <= 86_400
    assert told == {
        "key": client.headers["authorization"].split("_")[1],
        "name": "test",
        "requests": {"used": 3, "limit": 50, "per": "minute"},
        "predictions_today": 1,
        "images_today": {"used": 3, "limit": 10},
        "outstanding": {"used": 0, "limit": 7},
        "uploads": {"used": upload["bytes"], "limit": 104_857, "count": 1},
        "kept": {"used": upload["bytes"] + results, "limit": 2**30},
    }
    assert client.get("/v1/usage").json()["data"][0]["requests"]["used"] == 3, "to look costs nothing"
    everybody = {usage["key"]: usage for usage in admin.get("/v1/usage").json()["data"]}
    assert everybody[told["key"]]["images_today"]["used"] == 3
    assert len(everybody) > 2
    assert as_key("read").get("/v1/usage").json()["data"][0]["predictions_today"] == 0


def test_in_the_open_there_is_no_usage_to_tell(client):
    assert client.get("/v1/usage").json() == {"object": "list", "data": []}


def test_uploads_are_kept_up_to_a_bound_for_each_key(as_key):
    client, picture = as_key(), png(120)
    assert 2 * len(picture) < 104_857 < 3 * len(picture)
    first, second, third = (client.post("/v1/uploads", content=picture, headers=PNG) for _ in range(3))
    assert [answer.status_code for answer in (first, second, third)] == [201, 201, 429]
    assert third.json()["code"] == "too_many_uploads"
    assert 3500 < int(third.headers["retry-after"]) <= 3600, "when the first of them expires"
    assert third.headers["ratelimit-limit"] == "104857"
    assert int(third.headers["ratelimit-remaining"]) == 104_857 - 2 * len(picture)
    assert as_key().post("/v1/uploads", content=picture, headers=PNG).status_code == 201
    assert client.delete(f"/v1/uploads/{first.json()['id']}").status_code == 204
    assert client.post("/v1/uploads", content=picture, headers=PNG).status_code == 201


def test_uploads_count_as_requests(as_key):
    client = as_key(rate="1/minute")
    assert client.post("/v1/uploads", content=b"hello", headers=PNG).status_code == 415
    assert client.post("/v1/uploads", content=png(), headers=PNG).json()["code"] == "rate_limited"


def test_429_is_the_callers_limit_and_503_the_systems_on_one_full_queue(guarded, as_key):
    one, other, small = as_key(), as_key(daily=1), as_key(outstanding=1)
    find = ["pgrep", "-P", str(guarded.process.pid), "-f", "cli worker"]
    (worker,) = map(int, subprocess.run(find, capture_output=True, text=True).stdout.split())

    def ask(client):
        return client.post("/v1/predictions", json={"model": "toy-dcgan"})

    os.kill(worker, signal.SIGSTOP)
    try:
        assert ask(small).status_code == 202
        while (full := ask(one)).status_code == 202:
            pass
        over, waiting = ask(small), [ask(other) for _ in range(2)]
    finally:
        os.kill(worker, signal.SIGCONT)
    assert (full.status_code, full.json()["code"]) == (503, "queue_full")
    assert (over.status_code, over.json()["code"]) == (429, "too_many_outstanding")
    assert [answer.status_code for answer in waiting] == [503, 503]
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in (full, over, *waiting))
    assert {"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"} <= set(over.headers)
    assert other.get("/v1/usage").json()["data"][0]["images_today"]["used"] == 0, "what was not taken is not counted"
    deadline = time.monotonic() + 20
    while (answer := ask(other)).status_code == 503 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert answer.status_code == 202


def test_a_keys_history_costs_nothing_however_much_others_make(as_key):
    quiet, busy = as_key(), as_key()
    mine = quiet.post("/v1/predictions", json={"model": "toy-dcgan"}, headers={"Prefer": "wait=20"}).json()["id"]
    for _ in range(3):
        busy.post("/v1/predictions", json={"model": "toy-dcgan"}, headers={"Prefer": "wait=20"})
    page = quiet.get("/v1/predictions?limit=1").json()
    assert [found["id"] for found in page["data"]] == [mine]
    assert quiet.get("/v1/predictions", params={"cursor": page["next_cursor"]}).json()["data"] == []


def test_more_than_a_whole_day_allows_is_not_to_be_tried_again_at_once(as_key):
    refused = sample(as_key(daily=3), n=4)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) == 86_400


def test_the_unfinished_predictions_of_a_key_are_capped_until_they_end(guarded, as_key):
    client = as_key(outstanding=2, daily=4)
    find = ["pgrep", "-P", str(guarded.process.pid), "-f", "cli worker"]
    (worker,) = map(int, subprocess.run(find, capture_output=True, text=True).stdout.split())
    os.kill(worker, signal.SIGSTOP)
    try:
        answers = [client.post("/v1/predictions", json={"model": "toy-dcgan"}) for _ in range(3)]
        others = as_key().post("/v1/predictions", json={"model": "toy-dcgan"})
    finally:
        os.kill(worker, signal.SIGCONT)
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert others.status_code == 202
    assert answers[2].json()["code"] == "too_many_outstanding"
    assert 1 <= int(answers[2].headers["retry-after"]) <= 60
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if (again := sample(client)).status_code == 200:
            break
        time.sleep(0.1)
    assert again.status_code == 200
    assert sample(client).status_code == 200, "the refused prediction was counted as images"


def with_limits(redis_url, act, **limits):
    """Runs `act(limits, key)` on a Redis, with a key that has these limits."""

    async def run():
        async with Keys.at(redis_url) as keys:
            key, _ = await keys.create("test", ["predict"], **limits)
            return await act(Limits(keys.redis, Settings()), key)

    return asyncio.run(run())


def test_keys_without_limits_of_their_own_have_those_of_the_settings(redis, redis_url):
    async def act(limits, key):
        headers = await limits.request(key)
        return headers["RateLimit-Limit"]

    assert with_limits(redis_url, act) == Settings().key_rate.partition("/")[0]
    assert with_limits(redis_url, act, rate="3/hour") == "3"


def test_in_the_open_no_key_is_asked_for_or_looked_at_and_no_limit_applies(client):
    for headers in ({}, {"Authorization": "Bearer whatever-an-sdk-insists-on"}):
        answer = client.post("/v1/sample/toy-dcgan", headers=headers)
        assert answer.status_code == 200
        assert "ratelimit-limit" not in answer.headers


def test_keys_are_made_listed_and_revoked_and_only_a_hash_is_kept(guarded, folder):
    where = {"EASEL_DATA_DIR": str(folder), "COLUMNS": "200"}
    limits = ("--rate", "60/minute", "--outstanding", "9", "--daily", "77")
    made = cli("keys", "create", "gallery", "--scope", "predict", "--scope", "read", *limits, **where)
    assert made.returncode == 0, made.stderr
    token = made.stdout.strip()
    assert re.fullmatch(r"ek_[0-9a-f]{12}_[\w-]{43}", token)
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx.get(f"{guarded.url}/metrics", headers=headers).status_code == 200
    listed = cli("keys", "list", **where).stdout
    (row,) = [line for line in listed.splitlines() if "gallery" in line]
    assert all(told in row for told in (token.split("_")[1], "predict, read", "60/minute", "9", "77"))
    with Redis.from_url(EmbeddedRedis(folder / "redis").url) as redis:
        kept = str(redis.hgetall(keys.API_KEYS))
    for told in (listed, kept):
        assert token not in told
        assert token.split("_", 2)[2] not in told
    assert cli("keys", "revoke", token.split("_")[1], **where).returncode == 0
    assert httpx.get(f"{guarded.url}/metrics", headers=headers).status_code == 401
    again = cli("keys", "revoke", token.split("_")[1], **where)
    assert again.returncode == 1
    assert "easel keys list" in again.stderr


def test_the_keys_command_tells_what_is_wrong_in_words(tmp_path, folder, guarded):
    lost = cli("keys", "list", EASEL_DATA_DIR=str(tmp_path / "nowhere"))
    gone = cli("keys", "list", EASEL_REDIS_URL="redis://127.0.0.1:9")
    rate = cli("keys", "create", "a", "--rate", "60/fortnight", EASEL_DATA_DIR=str(folder))
    scope = cli("keys", "create", "a", "--scope", "all", EASEL_DATA_DIR=str(folder))
    for done, word in ((lost, "EASEL_DATA_DIR"), (gone, "127.0.0.1:9"), (rate, "rate"), (scope, "scopes")):
        assert done.returncode == 1
        assert word in done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "nowhere").exists()


def test_the_sample_and_translate_commands_take_a_key(guarded, make_key, tmp_path):
    out, picture = tmp_path / "out.png", tmp_path / "in.png"
    picture.write_bytes(png())
    for command in (("sample", "toy-dcgan"), ("translate", "toy-pix2pix", str(picture))):
        asked = (*command, "-o", str(out), "--server", guarded.url)
        assert "Authorization" in cli(*asked).stderr
        assert cli(*asked, EASEL_KEY=make_key()[1]).returncode == 0


def test_on_a_network_easel_starts_only_with_a_key_which_outlives_it(start_easel, tmp_path):
    where = {"EASEL_DATA_DIR": str(tmp_path), "EASEL_HOST": "0.0.0.0", "EASEL_PORT": "18765"}
    refused = cli("up", **where)
    assert refused.returncode == 1
    assert "easel keys create" in refused.stderr
    assert "EASEL_AUTH=open" in refused.stderr
    assert "Traceback" not in refused.stderr
    made = cli("keys", "create", "first", EASEL_DATA_DIR=str(tmp_path))
    assert made.returncode == 0, made.stderr

    easel = start_easel(data_dir=tmp_path, host="0.0.0.0")
    headers = {"Authorization": f"Bearer {made.stdout.strip()}"}
    assert httpx.get(f"{easel.url}/v1/models").status_code == 401
    assert httpx.get(f"{easel.url}/v1/models", headers=headers).status_code == 200
    easel.stop()


def test_the_api_alone_refuses_a_network_without_a_key_too(redis, redis_url):
    refused = cli("api", EASEL_HOST="0.0.0.0", EASEL_PORT="18766", EASEL_REDIS_URL=redis_url)
    assert refused.returncode == 1
    assert "easel keys create" in refused.stderr


@pytest.mark.parametrize(
    ("host", "auth", "is_open"),
    [
        ("127.0.0.1", "auto", True),
        ("127.8.8.8", "auto", True),
        ("::1", "auto", True),
        ("localhost", "auto", True),
        ("0.0.0.0", "auto", False),
        ("::", "auto", False),
        ("192.168.1.4", "auto", False),
        ("art.example.com", "auto", False),
        ("127.0.0.1", "required", False),
        ("0.0.0.0", "open", True),
    ],
)
def test_access_is_open_on_loopback_unless_said_otherwise(host, auth, is_open):
    assert Settings(host=host, auth=auth).open_access is is_open


def preflight(url, origin):
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, prefer"}
    return httpx.options(f"{url}/v1/predictions", headers={"Origin": origin, **asks})


def test_a_preflight_is_answered_without_a_key_for_the_named_origins_alone(guarded, easel):
    allowed = preflight(guarded.url, PAGE)
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == PAGE
    assert "POST" in allowed.headers["access-control-allow-methods"]
    assert {"authorization", "prefer"} <= set(allowed.headers["access-control-allow-headers"].lower().split(", "))
    for url, origin, status in (
        (guarded.url, "https://evil.example.com", 400),
        (guarded.url, "null", 400),
        (easel.url, PAGE, 405),  # no origin is named there
    ):
        refused = preflight(url, origin)
        assert refused.status_code == status
        assert "access-control-allow-origin" not in refused.headers


def test_a_page_of_a_named_origin_may_read_answers_and_their_headers(guarded, as_key):
    answer = as_key().post("/v1/sample/toy-dcgan", headers={"Origin": PAGE})
    assert answer.headers["access-control-allow-origin"] == PAGE
    exposed = set(answer.headers["access-control-expose-headers"].lower().split(", "))
    assert {
        "location", "retry-after", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "x-request-id",
        "x-seed", "server-timing", "content-location", "preference-applied", "etag",
    } <= exposed  # fmt: skip
    assert httpx.get(f"{guarded.url}/v1/models", headers={"Origin": PAGE}).headers["access-control-allow-origin"]
    elsewhere = as_key().get("/v1/models", headers={"Origin": "https://evil.example.com"})
    assert "access-control-allow-origin" not in elsewhere.headers


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "https://*.example.com"),
        ("CORS_ORIGINS", "https://a.example.com/"),
        ("KEY_RATE", "many"),
        ("KEY_RATE", "0/minute"),
        ("AUTH", "maybe"),
    ],
)
def test_settings_that_would_not_do_what_they_say_are_refused(monkeypatch, name, value):
    monkeypatch.setenv(f"EASEL_{name}", value)
    with pytest.raises(ValueError, match=name.lower()):
        Settings()


def test_a_signed_address_shows_one_picture_without_a_key_until_it_expires(guarded, as_key):
    caller = as_key()
    made = caller.post("/v1/predictions", json={"model": "toy-dcgan"}, headers={"Prefer": "wait"}).json()
    image = made["output"][0]
    shown = httpx.get(guarded.url + image["link"])
    assert shown.content == caller.get(image["url"]).content
    assert caller.get(made["urls"]["get"]).json()["output"][0]["link"] == image["link"], "a browser may keep it"
    query = image["link"].partition("?")[2]
    late = image["link"].replace("exp=", "exp=9")
    for wrong in (late, f"{made['urls']['get']}?{query}", image["link"][:-1] + "g", image["url"] + "?exp=1&sig=x.y"):
        assert httpx.get(guarded.url + wrong).status_code == 401, wrong
    assert httpx.delete(f"{guarded.url}{made['urls']['get']}?{query}").status_code == 401


def test_a_signed_address_ends_with_its_time_and_with_its_key(guarded, folder, make_key, as_key):
    id, token = make_key()
    caller = as_key(token=token)
    made = caller.post("/v1/predictions", json={"model": "toy-dcgan"}, headers={"Prefer": "wait"}).json()
    image = made["output"][0]

    async def kept(act):
        async with Keys.at(EmbeddedRedis(folder / "redis").url) as keys:
            return await act(keys)

    key = asyncio.run(kept(lambda keys: keys.get(id)))
    now = int(time.time())
    assert httpx.get(guarded.url + signed(image["url"], now + 60, key)).status_code == 200
    assert httpx.get(guarded.url + signed(image["url"], now - 1, key)).status_code == 401
    asyncio.run(kept(lambda keys: keys.revoke(id)))
    assert httpx.get(guarded.url + image["link"]).status_code == 401


def test_an_address_is_signed_for_the_owner_alone(as_key):
    made = as_key().post("/v1/predictions", json={"model": "toy-dcgan"}, headers={"Prefer": "wait"}).json()
    assert "link" not in as_key("admin").get(made["urls"]["get"]).json()["output"][0]


def test_openai_pictures_are_shown_without_a_key(guarded, as_key):
    asked = {"model": "toy-dcgan", "prompt": "anything", "response_format": "url"}
    (image,) = as_key().post("/v1/images/generations", json=asked).json()["data"]
    assert httpx.get(image["url"]).headers["content-type"] == "image/png"


def test_models_are_managed_by_admins_alone(as_key):
    client, reference = as_key("predict", "read"), "toy@" + "0" * 64
    for method, path, body in (
        ("GET", "/v1/versions", b""),
        ("POST", "/v1/models", b"x" * 5_000),
        ("PATCH", f"/v1/models/{reference}", b"{}"),
        ("POST", f"/v1/models/{reference}/publish", b""),
        ("POST", "/v1/models/toy/rollback", b""),
        ("DELETE", f"/v1/models/{reference}", b""),
        ("PUT", "/v1/aliases/mine", b"{}"),
        ("DELETE", "/v1/aliases/mine", b""),
    ):
        answer = client.request(method, path, content=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope"), (method, path)
    assert as_key("admin").get("/v1/versions").status_code == 200
