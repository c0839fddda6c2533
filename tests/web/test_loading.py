"""A model that is loaded: its prediction says so, to all who look at it, and how long that took the last time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import ExitStack
from threading import Thread

import httpx
import pytest
from playwright.sync_api import expect

from core.embedded_redis import EmbeddedRedis
from easel.client import Easel
from tests.conftest import free_port
from tests.redis_servers import wait_for
from tests.slow_loads import LOAD_S


@pytest.fixture(scope="module")
def url(toy_zoo, tmp_path_factory):
    """An API and a worker that is slow to read weights."""
    folder = tmp_path_factory.mktemp("loading")
    redis, port = EmbeddedRedis(folder), free_port()
    with ExitStack() as stack, (folder / "log").open("w") as sink:
        redis.start()
        stack.callback(redis.stop)
        given = {"redis_url": redis.url, "models": toy_zoo, "threads": 1, "data_dir": folder, "port": port}
        environment = {**os.environ, **{f"EASEL_{name.upper()}": str(value) for name, value in given.items()}}
        for command in (["cli", "api"], ["tests.slow_loads"]):
            process = subprocess.Popen([sys.executable, "-m", *command], env=environment, stdout=sink, stderr=sink)
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)

        def ready() -> bool:
            try:
                return httpx.get(f"http://127.0.0.1:{port}/readyz?worker=1").is_success
            except httpx.TransportError:
                return False

        wait_for(ready, 60)
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def caller(url):
    with Easel(url) as opened:
        yield opened


def forget(url: str, model: str) -> None:
    """Has the worker drop a model."""
    httpx.post(f"{url}/v1/models/{model}/unload").raise_for_status()

    def held() -> set[str]:
        workers = httpx.get(f"{url}/v1/queue").json()["workers"]
        return {each["id"] for worker in workers for each in worker["models"]}

    wait_for(lambda: model not in held())


def test_a_prediction_tells_that_its_model_is_loaded_and_the_next_time_for_how_long(url, caller):
    told = []
    for _ in range(2):
        made = caller.create("toy-dcgan", {"seed": 1})
        looked: list = []

        def look(made=made, looked=looked):
            looked.append(wait_for(lambda: caller.get(made).get("loading")))

        watching = Thread(target=look)
        watching.start()
        events = [each for each in caller.watch(made) if each.name not in ("queued", "progress")]
        watching.join()
        assert [each.name for each in events] == ["started", "loading", "loaded", "completed"]
        assert looked == [events[1].data]
        assert "loading" not in events[-1].data
        assert "loading" not in caller.get(made)
        told.append(looked[0]["estimate_s"])
        forget(url, "toy-dcgan")
    assert told[0] is None
    assert LOAD_S <= told[1] < LOAD_S + 10


def test_a_model_in_memory_is_not_loaded(caller):
    caller.predict("toy-vae")
    names = [each.name for each in caller.watch(caller.create("toy-vae"))]
    assert {"loading", "loaded"}.isdisjoint(names)


def test_the_page_says_so_and_about_how_long(url, visit):
    page = visit("#/make/toy-cgan/conditional?label=3&n=1&seed=5", url=url)
    expect(page.get_by_text("Loading the model", exact=True)).to_be_visible()
    expect(page.locator(".tile img")).to_have_count(1)
    forget(url, "toy-cgan")
    page = visit("#/make/toy-cgan/conditional?label=3&n=1&seed=6", url=url)
    expect(page.get_by_text(re.compile(r"Loading the model \(about \d+\.\d s\)"))).to_be_visible()
    expect(page.locator(".tile img")).to_have_count(1)
