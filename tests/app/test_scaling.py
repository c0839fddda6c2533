"""An API without workers: it accepts what later ones answer, and tells how much waits for whom."""

import os
import subprocess
import sys

import httpx
import pytest

from core.embedded_redis import EmbeddedRedis
from tests.app.test_waiting import wait_until
from tests.conftest import free_port


@pytest.fixture
def alone(toy_zoo, tmp_path):
    """A client of an API that accepts without workers, and what starts a worker beside it."""
    server, port = EmbeddedRedis(tmp_path / "redis"), free_port()
    server.start()
    given = {
        "redis_url": server.url,
        "models": toy_zoo,
        "threads": 1,
        "port": port,
        "pools": "vaes=*-vae",
        "accept_without_workers": True,
    }
    environment = {**os.environ, **{f"EASEL_{name.upper()}": str(value) for name, value in given.items()}}
    started = []

    def start(command, **more):
        with (tmp_path / f"{command}.log").open("w") as sink:
            line = [sys.executable, "-m", "cli", command]
            started.append(subprocess.Popen(line, env=environment | more, stdout=sink, stderr=sink))

    start("api")
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        wait_until(lambda: answers(client, "/readyz"), 60)
        yield client, lambda **more: start("worker", **more)
    for process in started:
        process.terminate()
    for process in started:
        process.wait(30)
    server.stop()


def status_of(client, prediction):
    return client.get(f"/v1/predictions/{prediction}").json()["status"]


def answers(client, path):
    try:
        return client.get(path).status_code == 200
    except httpx.TransportError:
        return False


def test_what_is_accepted_without_a_worker_waits_for_one_of_its_pool(alone):
    client, start_worker = alone
    assert client.get("/readyz?worker=1").json()["code"] == "no_worker"
    ids = [
        client.post("/v1/predictions", json={"model": model}, headers={"Prefer": "respond-async"}).json()["id"]
        for model in ("toy-vae", "toy-vae", "toy-dcgan")
    ]
    pools = {pool["name"]: pool for pool in client.get("/v1/queue").json()["pools"]}
    # Nothing is known of what they take, so each counts as a second.
    assert {name: (pool["work_s"], pool["workers"]) for name, pool in pools.items()} == {
        "vaes": (2.0, 0),
        "default": (1.0, 0),
    }
    scraped = client.get("/metrics").text
    assert 'easel_pool_work_seconds{pool="vaes"} 2.0' in scraped
    assert 'easel_pool_workers{pool="vaes"} 0.0' in scraped
    start_worker(EASEL_POOL="vaes")
    wait_until(
        lambda: {client.get(f"/v1/predictions/{each}").json()["status"] for each in ids[:2]} == {"succeeded"}, 60
    )
    assert client.get(f"/v1/predictions/{ids[2]}").json()["status"] == "queued"
    assert 'easel_pool_workers{pool="vaes"} 1.0' in client.get("/metrics").text
    assert 'easel_pool_work_seconds{pool="default"} 1.0' in client.get("/metrics").text
