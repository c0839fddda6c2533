"""Predictions that take their time: watched, waited for, left and given up, on either of two API processes."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from uuid import uuid4

import httpx
import pytest

from app.http.preferences import Preference, preferred, seconds
from core.embedded_redis import EmbeddedRedis
from tests.app.test_bad_input import assert_problem
from tests.app.test_life import events_of, wait_for
from tests.conftest import free_port, pixels_of
from tests.stepwise import STEP_S, STEPS

ORDER = {"model": "toy-dcgan"}
MAX_WAIT_S = 1.2
"""Shorter than a prediction takes, which is `STEPS * STEP_S`."""


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory):
    server = EmbeddedRedis(tmp_path_factory.mktemp("slow"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def processes(redis_server, toy_zoo, tmp_path_factory):
    """Two API processes and a slow worker behind one Redis: the clients of both, and the worker."""
    given = {
        "redis_url": redis_server.url,
        "models": toy_zoo,
        "threads": 1,
        "max_wait_s": MAX_WAIT_S,
        "max_watchers": 3,
    }
    environment = {**os.environ, **{f"EASEL_{name.upper()}": str(value) for name, value in given.items()}}
    ports, commands = (free_port(), free_port()), {"worker": ["tests.stepwise"], "api": ["cli", "api"]}
    with ExitStack() as stack, (tmp_path_factory.mktemp("logs") / "log").open("w") as sink:

        def start(command, **more):
            line = [sys.executable, "-m", *commands[command]]
            process = subprocess.Popen(line, env=environment | more, stdout=sink, stderr=sink)
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
            return process

        worker = start("worker")
        for port in ports:
            start("api", EASEL_PORT=str(port))
        clients = [stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)) for port in ports]
        for client in clients:
            wait_until(lambda client=client: is_ready(client), 60)
        yield *clients, worker


def is_ready(client):
    try:
        return client.get("/readyz?worker=1").status_code == 200
    except httpx.TransportError:
        return False


def wait_until(true, timeout_s=10.0):
    deadline = time.monotonic() + timeout_s
    while not (found := true()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


@pytest.fixture
def client(processes):
    """A client of the first API process, with nothing underway."""
    wait_until(lambda: all(is_idle(processes[0], status) for status in ("queued", "processing", "canceling")))
    return processes[0]


def is_idle(client, status):
    return not client.get("/v1/predictions", params={"status": status}).json()["data"]


@pytest.fixture
def other(processes):
    """A client of the second API process."""
    return processes[1]


@contextmanager
def stopped(worker):
    os.kill(worker.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(worker.pid, signal.SIGCONT)


def newest(client):
    return next(iter(client.get("/v1/predictions?limit=1").json()["data"]), None)


def is_begun(found, before):
    return found if found and found["started_at"] and found["id"] != (before and before["id"]) else None


@contextmanager
def asking(client, path, **headers):
    """A request that is on its way; leaving the block closes its connection. Yields the prediction, begun."""
    before = newest(client)
    body = json.dumps({**ORDER, "prompt": ""} if "images" in path else ORDER if path == "/v1/predictions" else {})
    given = {"Host": "x", "Content-Type": "application/json", "Content-Length": len(body), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=10) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\n{head}\r\n{body}".encode())
        yield wait_until(lambda: is_begun(newest(client), before))


def test_a_prediction_of_many_steps_shows_how_it_comes_about(client, other):
    made = client.post("/v1/predictions", json={**ORDER, "input": {"n": 2}}).json()
    found = events_of(other, made["urls"]["events"])
    progress = [data["step"] for name, _, data in found if name == "progress"]
    assert progress == sorted(set(progress))
    assert len(progress) > STEPS / 2
    assert all(data["total"] == STEPS for name, _, data in found if name == "progress")
    previews = [data["image"].removeprefix("data:image/png;base64,") for name, _, data in found if name == "preview"]
    assert [pixels_of(base64.b64decode(preview)).shape for preview in previews] == [(28, 58)] * len(previews)
    assert len(previews) > STEPS / 2
    assert len(set(previews)) == len(previews)
    assert found[-1][0] == "completed"
    assert found[-1][2] == client.get(made["urls"]["get"]).json()


def test_what_was_told_by_one_process_is_gone_on_with_by_the_other(client, other):
    made = client.post("/v1/predictions", json=ORDER).json()
    first = events_of(client, made["urls"]["events"])
    ids = [identity for name, identity, _ in first if name == "progress"]
    again = events_of(other, made["urls"]["events"], **{"Last-Event-ID": ids[3]})
    assert [identity for name, identity, _ in again if name == "progress"] == ids[4:]
    assert again[-1] == first[-1]


def test_a_cancel_on_one_process_stops_the_work_within_a_step_or_two(client, other):
    made = client.post("/v1/predictions", json=ORDER).json()
    wait_for(client, made["urls"]["get"], "processing")
    began = time.monotonic()
    assert other.post(made["urls"]["cancel"]).json()["status"] in ("canceling", "canceled")
    canceled = wait_for(client, made["urls"]["get"], "canceled")
    assert time.monotonic() - began < STEPS * STEP_S / 2
    assert canceled["output"] is None


def test_what_is_made_on_one_process_is_found_waited_for_and_fetched_on_the_other(client, other):
    made = client.post("/v1/predictions", json={**ORDER, "input": {"seed": 3}}).json()
    named = other.get(made["urls"]["get"]).json()
    assert named["id"] == made["id"]
    found = wait_for(other, made["urls"]["get"], "succeeded")
    assert found == client.get(made["urls"]["get"]).json()
    for path in (found["output"][0]["url"], f"{made['urls']['get']}/grid.png", f"{made['urls']['get']}/archive.zip"):
        one, two = client.get(path), other.get(path)
        assert (one.content, one.headers["etag"]) == (two.content, two.headers["etag"])
        assert other.get(path, headers={"If-None-Match": one.headers["etag"]}).status_code == 304
    assert [data["id"] for data in other.get("/v1/predictions?limit=1").json()["data"]] == [made["id"]]
    assert other.delete(made["urls"]["get"]).status_code == 204
    assert client.get(made["urls"]["get"]).status_code == 404


def test_an_idempotency_key_holds_across_both_processes_at_once(client, other):
    headers = {"Idempotency-Key": uuid4().hex}
    with ThreadPoolExecutor(12) as pool:
        asks = [pool.submit(one.post, "/v1/predictions", json=ORDER, headers=headers) for one in (client, other) * 6]
        answers = [ask.result() for ask in asks]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert_problem(other.post("/v1/predictions", json={"model": "toy-vae"}, headers=headers), 422)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/sample/toy-dcgan", {}),
        ("/v1/predictions", {"Accept": "image/png"}),
        ("/v1/images/generations", {}),
    ],
)
def test_who_leaves_before_the_picture_is_made_cancels_it(client, path, headers):
    with asking(client, path, **headers) as begun:
        pass
    wait_until(lambda: client.get(begun["urls"]["get"]).json()["status"] == "canceled", STEPS * STEP_S)


@pytest.mark.parametrize("headers", [{"Prefer": "wait=5"}, {"Accept": "image/png", "Idempotency-Key": "kept"}, {}])
def test_who_can_come_back_for_it_may_leave(client, headers):
    with asking(client, "/v1/predictions", **headers) as begun:
        pass
    assert wait_for(client, begun["urls"]["get"], "succeeded")


def test_cancel_after_ends_what_takes_longer(client):
    began = time.monotonic()
    made = client.post("/v1/predictions", json=ORDER, headers={"Cancel-After": "1s"}).json()
    canceled = wait_for(client, made["urls"]["get"], "canceled")
    assert 0.9 < time.monotonic() - began < STEPS * STEP_S
    assert canceled["started_at"]
    unharmed = client.post("/v1/predictions", json=ORDER, headers={"Cancel-After": "1m"}).json()
    assert wait_for(client, unharmed["urls"]["get"], "succeeded")


def test_a_picture_that_was_given_up_is_410(client):
    answer = client.post("/v1/sample/toy-dcgan", headers={"Cancel-After": "0"})
    assert_problem(answer, 410, "canceled")


def test_openais_client_is_told_of_a_timeout_and_nothing_goes_on(client):
    answer = client.post("/v1/images/generations", json={**ORDER, "prompt": ""})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "timeout")
    assert answer.headers["retry-after"]
    wait_until(lambda: newest(client)["status"] == "canceled")


def test_a_picture_that_is_not_made_in_time_is_answered_with_its_prediction(client):
    answer = client.post("/v1/sample/toy-dcgan", headers={"Prefer": "wait=1"})
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "wait=1")
    assert wait_for(client, answer.headers["location"], "succeeded")
    began = time.monotonic()
    at_once = client.post("/v1/sample/toy-dcgan", headers={"Prefer": "respond-async"})
    assert time.monotonic() - began < 0.5
    assert (at_once.status_code, at_once.headers["preference-applied"]) == (202, "respond-async")
    assert wait_for(client, at_once.headers["location"], "succeeded")


def test_a_watcher_sits_out_an_outage_of_redis(client, processes, redis_server):
    worker = processes[2]
    with ThreadPoolExecutor(1) as pool:
        with stopped(worker):
            made = client.post("/v1/predictions", json=ORDER).json()
            watching = pool.submit(events_of, client, made["urls"]["events"])
            time.sleep(0.5)
            redis_server.stop()
            time.sleep(1)
            redis_server.start()
        found = watching.result(30)
    assert found[0][0] == "queued"
    assert (found[-1][0], found[-1][2]["status"]) == ("completed", "succeeded")


def test_event_streams_are_bounded_and_end_with_their_prediction(client, other, processes):
    worker = processes[2]
    with stopped(worker):
        made = client.post("/v1/predictions", json=ORDER).json()
        with ExitStack() as stack:
            streams = [stack.enter_context(client.stream("GET", made["urls"]["events"])) for _ in range(3)]
            lines = [stream.iter_lines() for stream in streams]
            assert {next(line) for line in lines} == {"event: queued"}
            assert_problem(client.get(made["urls"]["events"]), 503, "too_many_watchers")
            stack.enter_context(other.stream("GET", made["urls"]["events"]))
        wait_until(lambda: is_open(client, made["urls"]["events"]))
        client.post(made["urls"]["cancel"])
        with client.stream("GET", made["urls"]["events"]) as stream:
            assert "completed" in "".join(stream.iter_text())


def is_open(client, path):
    with client.stream("GET", path) as stream:
        return stream.status_code == 200


def test_a_prediction_that_is_deleted_while_it_is_watched_ends_the_stream(client, other, processes):
    worker = processes[2]
    with stopped(worker):
        made = client.post("/v1/predictions", json=ORDER).json()
        with client.stream("GET", made["urls"]["events"]) as stream:
            lines = stream.iter_lines()
            assert "queued" in next(lines)
            other.post(made["urls"]["cancel"])
            other.delete(made["urls"]["get"])
            list(lines)


@pytest.mark.parametrize(
    ("headers", "preference"),
    [
        ([], Preference()),
        (["wait=10"], Preference(10, "wait=10")),
        (['WAIT = "7"'], Preference(7, "wait=7")),
        (["wait"], Preference(60, "wait=60")),
        (["wait=999999"], Preference(60, "wait=60")),
        (["respond-async"], Preference(0, "respond-async")),
        (["respond-async, wait=5"], Preference(5, "wait=5")),
        (["return=minimal", "wait=5; foo=bar"], Preference(5, "wait=5")),
        (["wait=-1", "waiting=3", "nowait"], Preference()),
    ],
)
def test_prefer_is_read_as_rfc_7240_has_it(headers, preference):
    assert preferred(headers, 60) == preference


@pytest.mark.parametrize(
    ("duration", "expected"), [("90", 90), ("30s", 30), ("5m", 300), ("1h30m45s", 5445), ("2h", 7200)]
)
def test_durations_are_read_as_replicate_has_them(duration, expected):
    assert seconds(duration) == expected
