"""Two machines with an API, a worker and a data folder each, one Redis, and one folder of models: both go along with
every change of it within seconds, and no request is lost to one."""

import shutil
import threading
import time
from contextlib import contextmanager

import httpx
import pytest

from tests.app.test_life import stopped_worker
from tests.app.test_live_registry import WAIT, easel, weights
from tests.models.test_registry import version
from tests.redis_servers import farm

SECONDS = 10
"""In which both machines have to agree; each looks at the folder every two."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def machines(start_easel, folder, tmp_path_factory):
    with farm(tmp_path_factory.mktemp("redis"), "Redis") as servers:
        url = f"redis://127.0.0.1:{servers.start().port}"
        started = [start_easel(models=folder, redis_url=url) for _ in range(2)]
        yield started
        for each in started:
            each.stop()


@pytest.fixture(scope="module")
def clients(machines):
    with httpx.Client(base_url=machines[0].url, timeout=30) as one, httpx.Client(base_url=machines[1].url) as two:
        two.timeout = 30
        yield one, two


@contextmanager
def asking(clients, model):
    """Somebody asks both APIs for a model, by turns, until the end. Yields the answers so far."""
    answers, ended = [], threading.Event()

    def ask():
        while not ended.is_set():
            for client in clients:
                answers.append(client.post("/v1/predictions", json={"model": model}, headers=WAIT))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield answers
    finally:
        ended.set()
        thread.join()


def agree(clients, path, told):
    """Waits until both APIs answer so."""
    deadline = time.monotonic() + SECONDS
    while not all(told(client.get(path)) for client in clients):
        assert time.monotonic() < deadline, [client.get(path).text for client in clients]
        time.sleep(0.1)


def stands_for(card):
    """Whether the model that an API tells of is this version."""
    return lambda answer: answer.status_code == 200 and answer.json()["version"] == card.weights.sha256


def assert_both_workers_make(machines, clients, model, card):
    """Each of them, through the other machine's API, while the other stands still."""
    for machine, client in zip(machines, clients, strict=True):
        with stopped_worker(machine):
            assert weights(client, model) == card.weights.sha256


def test_both_machines_follow_the_folder_and_nothing_is_lost(machines, clients, folder, tmp_path):
    (first, one), (second, two) = (version(tmp_path / str(seed), seed) for seed in (1, 2))
    shutil.copytree(first, folder / ".toy-dcgan.partial")
    (folder / ".toy-dcgan.partial").rename(folder / "toy-dcgan")
    agree(clients, "/v1/models/toy-dcgan", stands_for(one))
    assert_both_workers_make(machines, clients, "toy-dcgan", one)

    with asking(clients, "toy-dcgan") as answers:
        easel(folder, "add", second)
        agree(clients, "/v1/models/toy-dcgan", stands_for(two))
        assert_both_workers_make(machines, clients, "toy-dcgan", two)
        easel(folder, "alias", "toy-latest", "toy-dcgan")
        agree(clients, "/v1/models/toy-latest", stands_for(two))
        easel(folder, "rollback", "toy-dcgan")
        agree(clients, "/v1/models/toy-dcgan", stands_for(one))
        assert_both_workers_make(machines, clients, "toy-latest", two)
        easel(folder, "alias", "toy-latest", "toy-dcgan")
        agree(clients, "/v1/models/toy-latest", stands_for(one))
        easel(folder, "remove", two.reference)
        agree(clients, f"/v1/models/{two.reference}", lambda answer: answer.status_code == 404)
        assert_both_workers_make(machines, clients, "toy-dcgan", one)
    made = [answer.json() for answer in answers]
    assert {each["status"] for each in made} == {"succeeded"}
    assert {each["version"] for each in made} == {one.weights.sha256, two.weights.sha256}
    assert len(made) > 10

    easel(folder, "remove", "toy-dcgan")
    agree(clients, "/v1/models/toy-dcgan", lambda answer: answer.status_code == 404)
    for client in clients:
        assert client.post("/v1/predictions", json={"model": "toy-dcgan"}).status_code == 404
