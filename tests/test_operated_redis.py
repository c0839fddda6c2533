"""Redis as operators have it: users with few rights, TLS, Sentinels and fail-overs; what is refused at the start."""

import asyncio
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from redis.exceptions import ConnectionError, RedisError

from app.access.keys import Keys
from app.schemas.keys import Scope
from core.redis_connections import connect
from core.replication import NotReplicated
from jobs import keys
from tests.certificates import write_tls
from tests.receiver import listening
from tests.redis_servers import SERVERS, farm, replicated, tls_before, wait_for

ROOT = Path(__file__).parents[1]
ORDER = {"model": "toy-dcgan"}
ACL = re.search(r"^ACL SETUSER .*", (ROOT / "docs" / "deploying.md").read_text(), re.MULTILINE)[0]


@pytest.fixture(params=SERVERS)
def servers(request, tmp_path):
    """What starts servers of Redis, and of Valkey."""
    with farm(tmp_path, request.param) as started:
        yield started


def succeeds(client, **wanted):
    """A prediction that is waited for."""
    answer = client.post("/v1/predictions", json=ORDER | wanted, headers={"Prefer": "wait=20"})
    assert answer.status_code == 201, answer.text
    assert answer.json()["status"] == "succeeded"
    return answer.json()


def status_of(client, prediction):
    return client.get(f"/v1/predictions/{prediction}").json()["status"]


def a_round(client, receiver):
    """All that Easel asks of Redis, as an admin."""
    made = succeeds(client, webhook=f"{receiver.url}/ended", input={"n": 2})
    receiver.wait_for(1)
    client.get(made["output"][0]["url"]).raise_for_status()
    picture = client.get(made["output"][1]["url"]).content
    upload = client.post("/v1/uploads", files={"file": ("a.png", picture)}).raise_for_status().json()["id"]
    client.get(f"/v1/uploads/{upload}").raise_for_status()
    client.delete(f"/v1/uploads/{upload}").raise_for_status()
    client.get(f"/v1/predictions/{made['id']}/deliveries").raise_for_status()
    waiting = client.post(
        "/v1/predictions",
        json={"model": "toy-pixelcnn"},
        headers={"Prefer": "respond-async", "Idempotency-Key": "once"},
    ).json()["id"]
    with client.stream("GET", f"/v1/predictions/{waiting}/events") as events:
        events.read()
    client.post(f"/v1/predictions/{waiting}/cancel").raise_for_status()
    for path in ("/v1/predictions", "/v1/queue", "/v1/usage", "/v1/models", "/metrics", "/readyz?worker=1"):
        client.get(path).raise_for_status()
    client.post("/v1/models/refresh").raise_for_status()
    client.post("/v1/models/toy-vae/load").raise_for_status()
    client.delete(f"/v1/predictions/{made['id']}").raise_for_status()


def command(*arguments, **settings):
    environment = {**os.environ, **{f"EASEL_{name.upper()}": str(value) for name, value in settings.items()}}
    line = [sys.executable, "-m", "cli", *arguments]
    return subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.timeout(300)
def test_the_rights_that_the_docs_name_are_enough_for_everything(servers, start_easel):
    server = servers.start()
    with server.client as root:
        root.execute_command(*ACL.replace(">PASSWORD", ">p%ss").split())
        url = f"redis://easel:p%25ss@127.0.0.1:{server.port}/0"
        token = command("keys", "create", "all", "--scope", "admin", redis_url=url).stdout.strip()
        spare = command("keys", "create", "spare", redis_url=url).stderr.partition(" ")[0]
        easel = start_easel(redis_url=url, auth="required", webhook_allow_private=True)
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=easel.url, headers=headers, timeout=30) as client, listening() as receiver:
            a_round(client, receiver)
            assert command("keys", "revoke", spare, redis_url=url).returncode == 0
            dies = client.post("/v1/predictions", json={"model": "toy-pixelcnn"}, headers={"Prefer": "respond-async"})
            for worker in root.smembers(keys.WORKERS) - root.smembers(keys.workers_key("webhooks")):
                os.kill(int(root.hget(worker, "pid")), signal.SIGKILL)
            wait_for(lambda: status_of(client, dies.json()["id"]) == "succeeded", 120)
        assert easel.stop() == 0
        # rq's scheduler makes a connection of its own, which asks in vain to be told of maintenance.
        assert {entry["object"] for entry in root.acl_log()} <= {"client"}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A server's certificate and a client's, of one authority, as files."""
    return write_tls(tmp_path_factory.mktemp("certificates"), "localhost", "easel")


@pytest.fixture
def behind_tls(tmp_path, certificates):
    """A Redis that is reached by TLS alone, by whoever has a certificate of the authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates["easel"]["ca"])
    context.load_cert_chain(certificates["localhost"]["cert"], certificates["localhost"]["key"])
    context.verify_mode = ssl.CERT_REQUIRED
    with farm(tmp_path, "Redis") as servers, tls_before(servers.start().port, context) as port:
        yield f"rediss://localhost:{port}/0"


def test_all_of_easel_talks_tls_with_a_certificate_of_its_own(behind_tls, certificates, start_easel):
    client, ca = certificates["easel"], certificates["localhost"]["ca"]
    named = {"redis_ca": ca, "redis_cert": client["cert"], "redis_key": client["key"]}
    easel = start_easel(redis_url=behind_tls, webhook_allow_private=True, **named)
    with httpx.Client(base_url=easel.url, timeout=30) as client, listening() as receiver:
        succeeds(client, webhook=f"{receiver.url}/ended")
        receiver.wait_for(1)
    assert easel.stop() == 0


def test_tls_is_verified_both_ways(behind_tls, certificates):
    client, ca = certificates["easel"], certificates["localhost"]["ca"]
    shown = f"ssl_certfile={client['cert']}&ssl_keyfile={client['key']}"
    with connect(f"{behind_tls}?ssl_ca_certs={ca}&{shown}") as redis:
        assert redis.ping()
    other = behind_tls.replace("localhost", "127.0.0.1")
    for url in (f"{behind_tls}?{shown}", f"{behind_tls}?ssl_ca_certs={ca}", f"{other}?ssl_ca_certs={ca}&{shown}"):
        with connect(url, retries=False) as redis, pytest.raises(ConnectionError):
            redis.ping()


def test_a_cluster_is_refused_in_words(servers):
    server = servers.start("cluster-enabled yes")
    refused = command("api", redis_url=f"redis://127.0.0.1:{server.port}")
    assert refused.returncode == 1
    assert "is a Cluster" in refused.stderr


@pytest.mark.parametrize("part", ["api", "worker", "deliver"])
def test_a_user_whom_redis_refuses_is_told_so(tmp_path, part):
    with farm(tmp_path, "Redis") as servers:
        server = servers.start("user somebody on >secret ~* -@all +ping", "user default off")
        wrong = command(part, redis_url=f"redis://somebody:wrong@127.0.0.1:{server.port}")
        less = command(part, redis_url=f"redis://somebody:secret@127.0.0.1:{server.port}")
    for refused in (wrong, less):
        assert refused.returncode == 1
        assert "Redis refuses this user" in refused.stderr
        assert "deploying.md" in refused.stderr


@dataclass
class Load:
    """Predictions that are asked for again and again, each waited for, by threads; what was accepted."""

    url: str
    accepted: list[str] = field(default_factory=list)
    refused: Counter = field(default_factory=Counter)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        with httpx.Client(base_url=self.url, timeout=60) as client:
            while not self.over.is_set():
                answer = client.post("/v1/predictions", json=ORDER, headers={"Prefer": "wait=0.2"})
                if answer.status_code in (201, 202):
                    self.accepted.append(answer.json()["id"])
                else:
                    self.refused[answer.json()["code"]] += 1
                    time.sleep(0.1)


@pytest.mark.timeout(300)
def test_a_fail_over_under_load_loses_nothing_that_was_acknowledged(servers, start_easel):
    redis = replicated(servers)
    easel = start_easel(redis_url=redis.url, redis_replicas=1, webhook_allow_private=True)
    load = Load(easel.url)
    with ThreadPoolExecutor(3) as threads, httpx.Client(base_url=easel.url, timeout=30) as client:
        asking = [threads.submit(load.run) for _ in range(2)]
        try:
            wait_for(lambda: len(load.accepted) > 20)
            old = redis.primary
            old.kill()
            before = len(load.accepted)
            wait_for(lambda: redis.primary is not old)
            wait_for(lambda: len(load.accepted) > before + 20, 60)
        finally:
            load.over.set()
        for each in asking:
            each.result()
        assert load.refused.keys() <= {"queue_unreachable", "not_replicated", "no_worker"}
        assert load.refused.total(), "for a while there was no primary"
        wait_for(lambda: {status_of(client, each) for each in load.accepted} == {"succeeded"}, 60)
        with listening() as receiver:  # messages, blocking pops, scripts and rq's own connections go on
            succeeds(client, webhook=f"{receiver.url}/ended")
            receiver.wait_for(1)
        assert client.post("/v1/models/toy-vae/load").json()["workers"] == 1
    assert easel.stop() == 0


def test_only_with_replicas_asked_for_is_what_was_acknowledged_kept(tmp_path):
    """A primary that dies before it has replicated takes the newest writes along."""
    with farm(tmp_path, "Redis") as servers:
        redis = replicated(servers)
        old, replicas = redis.primary, redis.replicas
        with connect(redis.url) as client:
            client.set("kept", 1)
            assert client.wait(2, 1000) == 2
        for replica in replicas:
            replica.signal(signal.SIGSTOP)
        with old.client as client:  # else what is written next is on its way to them already
            client.execute_command("CLIENT", "KILL", "TYPE", "replica")
        lost, kept = asyncio.run(make_keys(redis.url))
        old.kill()
        for replica in replicas:
            replica.signal(signal.SIGCONT)
        wait_for(lambda: redis.primary is not old)
        with connect(redis.url) as client:
            wait_for(lambda: answers(client))
            assert client.get("kept") == b"1"
            assert client.hgetall(keys.API_KEYS) == {}
    assert lost.name == "lost"
    assert isinstance(kept, NotReplicated), "it was not acknowledged"


async def make_keys(url):
    """What comes of it without and with a replica that must have it."""
    async with Keys.at(url) as careless, Keys.at(url, replicas=1) as careful:
        key, _ = await careless.create("lost", [Scope.PREDICT])
        try:
            return key, await careful.create("kept", [Scope.PREDICT])
        except NotReplicated as error:
            return key, error


def answers(client):
    try:
        return client.ping()
    except RedisError:
        return False
