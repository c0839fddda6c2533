"""The life of a prediction from outside: named, listed, watched, canceled, deleted."""

import json
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import uuid4

import pytest

from tests.app.test_bad_input import assert_problem
from tests.conftest import png

WAIT = {"Prefer": "wait=20"}


def body(model="toy-dcgan", **fields):
    return {"model": model, "input": fields}


@contextmanager
def stopped_worker(easel):
    """No worker takes anything meanwhile, and it is too short for anyone to count it as dead."""
    found = subprocess.run(["pgrep", "-P", str(easel.process.pid), "-f", "cli worker"], capture_output=True, text=True)
    (worker,) = map(int, found.stdout.split())
    os.kill(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(worker, signal.SIGCONT)


def wait_for(client, path, status):
    for _ in range(200):
        found = client.get(path).json()
        if found["status"] == status:
            return found
        time.sleep(0.05)
    raise AssertionError(found)


def test_put_twice_makes_one_prediction(client):
    name = uuid4().hex[:12]
    first = client.put(f"/v1/predictions/{name}", json=body(), headers=WAIT)
    again = client.put(f"/v1/predictions/{name}", json=body(), headers=WAIT)
    assert first.status_code == 201
    assert first.json()["id"] == name
    assert again.json() == first.json()
    other = client.put(f"/v1/predictions/{name}", json=body(seed=1), headers=WAIT)
    assert_problem(other, 422, "idempotency_mismatch")


@pytest.mark.parametrize("name", ["a b", "a" * 65, "ä", "..%2Fx"])
def test_ids_that_are_no_ids_are_refused(client, name):
    assert_problem(client.put(f"/v1/predictions/{name}", json=body()), 404 if "%2F" in name else 422)


def test_an_idempotency_key_makes_one_prediction_even_when_sent_at_once(client):
    headers = {"Idempotency-Key": uuid4().hex, **WAIT}
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: client.post("/v1/predictions", json=body(), headers=headers), range(12)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert_problem(client.post("/v1/predictions", json=body(n=2), headers=headers), 422, "idempotency_mismatch")


def test_an_idempotency_key_covers_the_files_too(client):
    headers = {"Idempotency-Key": uuid4().hex, **WAIT}
    request = {"request": json.dumps({"model": "toy-pix2pix"})}
    first, again, other = (
        client.post("/v1/predictions", data=request, files={"image": png(seed=seed)}, headers=headers)
        for seed in (1, 1, 2)
    )
    assert first.json()["id"] == again.json()["id"]
    assert_problem(other, 422, "idempotency_mismatch")


def test_the_history_is_paged_newest_first_and_filtered(client):
    made = [client.post("/v1/predictions", json=body("toy-vae"), headers=WAIT).json()["id"] for _ in range(5)]
    client.post("/v1/predictions", json=body(), headers=WAIT)
    found, cursor = [], None
    for _ in range(20):
        params = {"model": "toy-vae", "status": "succeeded", "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = client.get("/v1/predictions", params=params).json()
        assert len(page["data"]) <= 2
        found += [prediction["id"] for prediction in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found[:5] == made[::-1]
    assert len(set(found)) == len(found)
    assert client.get("/v1/predictions?status=failed&model=toy-vae").json()["data"] == []
    assert_problem(client.get("/v1/predictions?limit=1000"), 422)


def test_a_page_goes_on_where_the_last_ended_though_that_was_deleted(client):
    made = [client.post("/v1/predictions", json=body(), headers=WAIT).json()["id"] for _ in range(4)]
    page = client.get("/v1/predictions?limit=2").json()
    assert [found["id"] for found in page["data"]] == [made[3], made[2]]
    assert client.delete(f"/v1/predictions/{made[2]}").status_code == 204
    following = client.get("/v1/predictions", params={"limit": 2, "cursor": page["next_cursor"]}).json()
    assert [found["id"] for found in following["data"]] == [made[1], made[0]]


def test_a_canceled_prediction_that_waits_never_runs(easel, client):
    with stopped_worker(easel):
        waiting = client.post("/v1/predictions", json=body()).json()
        canceled = client.post(waiting["urls"]["cancel"]).json()
        assert canceled["status"] == "canceled"
        assert canceled["completed_at"]
    time.sleep(0.5)
    found = client.get(waiting["urls"]["get"]).json()
    assert (found["status"], found["output"], found["started_at"]) == ("canceled", None, None)


def test_canceling_what_has_ended_changes_nothing(client):
    made = client.post("/v1/predictions", json=body(), headers=WAIT).json()
    assert client.post(made["urls"]["cancel"]).json() == made
    assert_problem(client.post("/v1/predictions/nope/cancel"), 404)


def test_a_deleted_prediction_is_gone_with_its_bytes(easel, client):
    made = client.post("/v1/predictions", json=body(), headers=WAIT).json()
    assert client.delete(made["urls"]["get"]).status_code == 204
    for path in (made["urls"]["get"], made["output"][0]["url"]):
        assert_problem(client.get(path), 404)
    listed = client.get("/v1/predictions?limit=100").json()["data"]
    assert made["id"] not in {prediction["id"] for prediction in listed}
    with stopped_worker(easel):
        waiting = client.post("/v1/predictions", json=body()).json()
        assert_problem(client.delete(waiting["urls"]["get"]), 409, "not_ended")


def events_of(client, path, **headers):
    """Name, id and data of each event until the stream ends."""
    found, event = [], {}
    with client.stream("GET", path, headers=headers) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["x-accel-buffering"] == "no"
        for line in stream.iter_lines():
            if line and not line.startswith(":"):
                key, _, value = line.partition(": ")
                event[key] = value
            elif event:
                found.append((event["event"], event.get("id", ""), json.loads(event["data"])))
                event = {}
    return found


def test_events_tell_the_queue_the_start_the_progress_and_the_end(easel, client):
    with stopped_worker(easel), ThreadPoolExecutor(1) as pool:
        client.post("/v1/predictions", json=body())
        made = client.post("/v1/predictions", json=body(n=64)).json()
        watching = pool.submit(events_of, client, made["urls"]["events"])
        time.sleep(0.7)
        os.kill(_worker(easel), signal.SIGCONT)
        found = watching.result(20)
    names = [name for name, _, _ in found]
    assert names[0] == "queued"
    assert found[0][2]["position"] == 1
    assert names.index("started") < names.index("progress") < names.index("completed") == len(names) - 1
    steps = [(data["step"], data["total"]) for name, _, data in found if name == "progress"]
    assert steps == [(step, 5) for step in range(1, 5)], "64 images and the one before them, 16 at a time"
    assert found[-1][2] == client.get(made["urls"]["get"]).json()

    second = next(identity for name, identity, data in found if name == "progress" and data["step"] == 2)
    replayed = events_of(client, made["urls"]["events"], **{"Last-Event-ID": second})
    assert [data["step"] for name, _, data in replayed if name == "progress"] == [3, 4]


def test_an_event_stream_ends_whatever_event_is_said_to_be_the_last(client):
    made = client.post("/v1/predictions", json=body(), headers=WAIT).json()
    last = f"{2**64 - 1}-{2**64 - 1}"
    assert events_of(client, made["urls"]["events"], **{"Last-Event-ID": last})[-1][0] == "completed"
    beyond = client.get(made["urls"]["events"], headers={"Last-Event-ID": f"{2**64}-0"})
    assert_problem(beyond, 422)


def _worker(easel):
    found = subprocess.run(["pgrep", "-P", str(easel.process.pid), "-f", "cli worker"], capture_output=True, text=True)
    return int(found.stdout)


def test_events_of_an_unknown_prediction_are_404(client):
    assert_problem(client.get("/v1/predictions/nope/events"), 404)
