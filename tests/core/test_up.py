"""`easel up` as a user meets it: start, use, stop, start again."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from redis import Redis
from structlog.testing import capture_logs

from core import supervisor
from core.embedded_redis import EmbeddedRedis
from core.settings import Settings
from jobs import keys
from jobs.stored_format import STORED_FORMAT
from tests.app.test_life import stopped_worker
from tests.conftest import free_port, pixels_of, png


def processes_of(folder):
    found = subprocess.run(["pgrep", "-f", str(folder)], capture_output=True, text=True)
    return found.stdout.split()


def test_ctrl_c_stops_everything_and_a_second_start_finds_what_the_first_left(start_easel, tmp_path):
    first = start_easel(data_dir=tmp_path)
    made = httpx.post(
        f"{first.url}/v1/sample/toy-dcgan?seed=1", headers={"Accept": "application/json"}, timeout=60
    ).json()
    picture = httpx.get(first.url + made["output"][0]["url"]).content
    assert processes_of(tmp_path)
    assert first.stop() == 0
    assert not processes_of(tmp_path)

    second = start_easel(data_dir=tmp_path)
    assert httpx.get(f"{second.url}/v1/predictions/{made['id']}").json() == made
    assert httpx.get(second.url + made["output"][0]["url"]).content == picture


def test_what_is_queued_when_it_stops_is_answered_after_the_next_start(start_easel, tmp_path):
    first = start_easel(data_dir=tmp_path)
    subprocess.run(["pkill", "-STOP", "-P", str(first.process.pid), "-f", "cli worker"], check=True)
    queued = [httpx.post(f"{first.url}/v1/predictions", json={"model": "toy-dcgan"}) for _ in range(3)]
    assert {answer.status_code for answer in queued} == {202}
    subprocess.run(["pkill", "-KILL", "-P", str(first.process.pid), "-f", "cli worker"], check=True)
    assert first.stop(signal.SIGHUP) == 0, "as when its terminal is closed"
    assert not processes_of(tmp_path)
    second = start_easel(data_dir=tmp_path)
    for answer in queued:
        for _ in range(400):
            found = httpx.get(second.url + answer.headers["location"]).json()
            if found["status"] == "succeeded":
                break
            time.sleep(0.1)
        assert found["status"] == "succeeded", found


@pytest.fixture(scope="module")
def own(start_easel):
    """An Easel whose processes may be killed."""
    return start_easel()


def test_a_worker_that_dies_is_started_again(own):
    subprocess.run(["pkill", "-KILL", "-P", str(own.process.pid), "-f", "cli worker"], check=True)
    answer = httpx.post(f"{own.url}/v1/sample/toy-dcgan?seed=1", timeout=60)
    assert answer.status_code == 200


def test_a_redis_that_dies_is_started_again_and_what_was_queued_is_answered(own):
    ask = partial(httpx.post, f"{own.url}/v1/predictions", json={"model": "toy-dcgan"}, timeout=60)
    with ThreadPoolExecutor(1) as pool:
        with stopped_worker(own):
            waiting = pool.submit(ask, headers={"Prefer": "wait=50"})
            queued = ask()
            time.sleep(1.5)  # the append-only file is written every second
            subprocess.run(["pkill", "-KILL", "-P", str(own.process.pid), "redis-server"], check=True)
        for _ in range(400):
            answer = httpx.get(own.url + queued.headers["location"])
            assert answer.status_code in (200, 503)
            if answer.status_code == 503:
                assert int(answer.headers["retry-after"]) > 0
            elif answer.json()["status"] == "succeeded":
                break
            time.sleep(0.1)
        assert answer.json()["status"] == "succeeded"
        assert httpx.post(f"{own.url}/v1/sample/toy-dcgan", timeout=30).status_code == 200
        waited = waiting.result()
    assert (waited.status_code, waited.json()["status"]) == (201, "succeeded"), "who waits is told in the end"


def test_predictions_go_on_when_the_api_is_killed(own):
    with stopped_worker(own):
        queued = httpx.post(f"{own.url}/v1/predictions", json={"model": "toy-dcgan"}, timeout=60)
        subprocess.run(["pkill", "-KILL", "-P", str(own.process.pid), "-f", "cli api"], check=True)
    found = {}
    for _ in range(400):
        try:
            found = httpx.get(own.url + queued.headers["location"]).json()
        except httpx.TransportError:  # until the next one listens
            continue
        finally:
            time.sleep(0.1)
        if found["status"] == "succeeded":
            break
    assert found["status"] == "succeeded", found


def test_killed_it_takes_its_children_along_and_starts_again(start_easel, tmp_path):
    first = start_easel(data_dir=tmp_path)
    made = httpx.post(f"{first.url}/v1/predictions", json={"model": "toy-dcgan"}, headers={"Prefer": "wait=20"}).json()
    found = subprocess.run(["pgrep", "-P", str(first.process.pid)], capture_output=True, text=True, check=True)
    children = found.stdout.split()
    assert len(children) == 4
    first.process.kill()
    first.process.wait()
    deadline = time.monotonic() + 20
    while left := [child for child in children if Path(f"/proc/{child}/exe").exists()]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
    second = start_easel(data_dir=tmp_path)
    assert httpx.get(f"{second.url}/v1/predictions/{made['id']}").json() == made


def test_beside_a_redis_that_is_slow_no_second_one_is_started(own):
    folder = own.log.parent
    where = {"EASEL_DATA_DIR": str(folder), "EASEL_PORT": str(free_port()), "COLUMNS": "200"}
    redis = ["pkill", "-P", str(own.process.pid), "redis-server"]
    subprocess.run([*redis, "-STOP"], check=True)
    try:
        refused = cli("up", **where)
        with ThreadPoolExecutor(1) as pool:
            listing = pool.submit(cli, "keys", "list", **where)
            time.sleep(2)
            subprocess.run([*redis, "-CONT"], check=True)
            listed = listing.result()
    finally:
        subprocess.run([*redis, "-CONT"], check=True)
    assert (refused.returncode, "another Easel already runs" in refused.stderr) == (1, True), refused.stderr
    assert listed.returncode == 0, listed.stderr
    assert httpx.post(f"{own.url}/v1/sample/toy-dcgan", timeout=30).status_code == 200


def test_a_full_redis_refuses_in_words_and_goes_on_when_it_has_room(own):
    made = httpx.post(f"{own.url}/v1/predictions", json={"model": "toy-dcgan"}, headers={"Prefer": "wait=20"}).json()
    with Redis.from_url(EmbeddedRedis(own.log.parent / "redis").url) as redis:
        with stopped_worker(own):
            waiting = httpx.post(f"{own.url}/v1/predictions", json={"model": "toy-dcgan"}).json()
            redis.config_set("maxmemory", 1)
        refused = httpx.post(f"{own.url}/v1/predictions", json={"model": "toy-dcgan"})
        assert (refused.status_code, refused.json()["code"]) == (503, "storage_full")
        assert int(refused.headers["retry-after"]) > 0
        assert httpx.get(own.url + made["urls"]["get"]).json() == made
        time.sleep(4)
        assert httpx.get(f"{own.url}/readyz").status_code == 200
        redis.config_set("maxmemory", 0)
    for _ in range(200):
        found = httpx.get(own.url + waiting["urls"]["get"]).json()
        if found["status"] == "succeeded":
            break
        time.sleep(0.1)
    assert found["status"] == "succeeded", "what was accepted is answered"
    lines = [json.loads(line) for line in own.log.read_text().splitlines() if line.startswith("{")]
    assert "deliverer" not in {line.get("process") for line in lines if line["event"] == "process_died"}


@pytest.mark.parametrize("command", ["up", "api", "worker", "deliver"])
def test_what_a_later_easel_has_written_is_refused_in_words(command, redis, redis_url):
    redis.set(keys.STORED_FORMAT, STORED_FORMAT + 1)
    done = cli(command, EASEL_REDIS_URL=redis_url, EASEL_PORT=str(free_port()))
    assert done.returncode == 1
    assert f"format {STORED_FORMAT + 1}" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_format_is_noted_at_the_first_start(own):
    with Redis.from_url(EmbeddedRedis(own.log.parent / "redis").url) as redis:
        assert int(redis.get(keys.STORED_FORMAT)) == STORED_FORMAT


@pytest.mark.parametrize("longest_batch_s", [10, 0])
def test_a_worker_may_finish_the_longest_batch_before_it_is_killed(redis_url, monkeypatch, tmp_path, longest_batch_s):
    monkeypatch.setattr(supervisor, "_GRACE_S", 0.5)
    monkeypatch.setattr(supervisor, "_TELL_EVERY_S", 0.2)
    easel = tmp_path / "easel"
    easel.write_text(
        f"#!/bin/sh\ntrap '[ $1 = worker ] && sleep 1.5 && touch {tmp_path}/finished; exit' TERM\n"
        f"touch {tmp_path}/$1\nwhile :; do sleep 0.1; done\n"
    )
    easel.chmod(0o755)
    settings = Settings(redis_url=redis_url, port=free_port())
    started = supervisor.Supervisor(settings, [str(easel)], lambda: longest_batch_s)
    monkeypatch.setattr(started, "_ready", lambda: (tmp_path / "worker").exists())
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        with capture_logs() as said:
            started.run(lambda url: None, lambda: os.kill(os.getpid(), signal.SIGTERM))
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert (tmp_path / "finished").exists() is bool(longest_batch_s)
    assert ["worker-1"] in [line.get("waited_for") for line in said]


def test_a_taken_port_and_a_data_folder_that_is_none_are_said_in_one_line(tmp_path, redis, redis_url):
    (tmp_path / "file").touch()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for command, wrong, said in (
            ("up", {"EASEL_PORT": port}, "EASEL_PORT"),
            ("up", {"EASEL_WORKER_METRICS_PORT": port}, "EASEL_WORKER_METRICS_PORT"),
            ("worker", {"EASEL_WORKER_METRICS_PORT": port, "EASEL_REDIS_URL": redis_url}, "EASEL_WORKER_METRICS_PORT"),
            ("up", {"EASEL_DATA_DIR": str(tmp_path / "file")}, "EASEL_DATA_DIR"),
        ):
            done = cli(command, **{"EASEL_PORT": str(free_port()), "EASEL_DATA_DIR": str(tmp_path), **wrong})
            assert done.returncode == 1
            assert f"set {said}" in done.stderr
            assert len(done.stderr.splitlines()) == 1


def test_logs_are_json_lines_with_request_and_prediction_ids_and_sigterm_ends_them(start_easel):
    easel, trace = start_easel(), "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"X-Request-Id": "find-me", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    httpx.post(f"{easel.url}/v1/sample/toy-dcgan", headers=headers, timeout=60)
    assert easel.stop(signal.SIGTERM) == 0
    lines = [json.loads(line) for line in easel.log.read_text().splitlines() if line.startswith("{")]
    (request,) = [line for line in lines if line["event"] == "request" and line.get("request") == "find-me"]
    (done,) = [line for line in lines if line["event"] == "prediction_succeeded"]
    assert request["prediction"] == done["prediction"]
    assert (request["status"], request["trace"]) == (200, trace)


def cli(*arguments, **environment):
    command = [sys.executable, "-m", "cli", *arguments]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)


def test_sample_and_translate_write_pictures(easel, tmp_path):
    out, picture = tmp_path / "out.png", tmp_path / "in.png"
    done = cli("sample", "toy-cgan", "--label", "7", "--seed", "4", "-o", str(out), "--server", easel.url)
    assert done.returncode == 0, done.stderr
    assert "seed 4" in done.stdout
    assert out.read_bytes().startswith(b"\x89PNG")
    picture.write_bytes(png())
    out = tmp_path / "out.webp"
    done = cli("translate", "toy-cyclegan", str(picture), "-o", str(out), "--direction", "BtoA", "--server", easel.url)
    assert done.returncode == 0, done.stderr
    assert out.read_bytes()[8:12] == b"WEBP"


def test_a_hole_is_filled_in_and_the_rest_of_the_file_kept(easel, tmp_path):
    image, mask, out = (tmp_path / name for name in ("in.png", "mask.png", "out.png"))
    image.write_bytes(png(70))
    hole = np.zeros((70, 70), np.uint8)
    hole[30:40, 30:40] = 255
    Image.fromarray(hole).save(mask)
    asked = ("inpaint", str(image), "--mask", str(mask), "-o", str(out), "--model", "toy-gated-conv")
    done = cli(*asked, "--server", easel.url)
    assert done.returncode == 0, done.stderr
    before, after = (pixels_of(path.read_bytes()) for path in (image, out))
    assert np.array_equal(before[hole == 0], after[hole == 0])
    assert not np.array_equal(before, after)


@pytest.mark.parametrize(
    ("manner", "model"),
    [(("--label", "the-scream"), "paintings-fast-style"), (("--style", "in.png"), "paintings-adain")],
)
def test_a_style_that_is_a_picture_is_asked_of_a_model_that_takes_any(easel, tmp_path, monkeypatch, manner, model):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.png").write_bytes(png())
    done = cli("stylize", "in.png", *manner, "--server", easel.url)
    assert done.returncode == 0, done.stderr
    assert model.encode() in (tmp_path / "out.png").read_bytes(), "the file names the model that made it"


def test_errors_are_told_in_words(easel, tmp_path):
    done = cli("sample", "toy-cgan", "--label", "eleven", "--server", easel.url)
    assert done.returncode == 1
    assert "/input/label" in done.stderr
    done = cli("sample", "toy-cgan", "--server", "http://127.0.0.1:9")
    assert "easel up" in done.stderr
    for environment in ({"EASEL_REDIS_URL": ""}, {"EASEL_REDIS_URL": "example.com"}, {"EASEL_PORT": "many"}):
        done = cli("worker", **environment)
        assert done.returncode == 1
        assert "EASEL_" in done.stderr
        assert "Traceback" not in done.stderr


def test_every_command_has_help():
    for command in (
        "",
        "up",
        "api",
        "worker",
        "deliver",
        "webhook-secret",
        "models",
        "sample",
        "translate",
        "inpaint",
        "train",
        "evaluate",
        "report",
    ):
        done = cli(*command.split(), "--help")
        assert done.returncode == 0
        assert len(done.stdout) > 200


def test_models_lists_the_models(toy_zoo):
    done = cli("models", EASEL_MODELS=str(toy_zoo), COLUMNS="200")
    assert "toy-dcgan" in done.stdout
    assert "mnist-classifier" not in done.stdout


def test_several_api_processes_listen_on_one_port_and_tell_the_same(start_easel):
    several = start_easel(api_processes=2, workers=2)
    answered = 40
    for seed in range(answered):  # a new connection each, which the kernel deals out
        httpx.post(f"{several.url}/v1/sample/toy-dcgan?seed={seed}", timeout=60).raise_for_status()
    listening = {
        line.split()[1]
        for line in subprocess.run(["ps", "-eo", "ppid,pid,args"], capture_output=True, text=True).stdout.splitlines()
        if line.split()[0] == str(several.process.pid) and line.endswith("cli api")
    }
    assert len(listening) == 2
    counted = 'easel_predictions_accepted_total{model="toy-dcgan",task="sample"}'
    told = {
        line
        for _ in range(10)
        for line in httpx.get(f"{several.url}/metrics").text.splitlines()
        if line.startswith(counted)
    }
    assert told == {f"{counted} {answered:.1f}"}
    numbers = [json.loads(line) for line in several.log.read_text().splitlines() if "worker_ready" in line]
    assert len(numbers) == 2
    assert several.stop() == 0


def test_a_part_alone_needs_a_redis_that_others_reach(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "cli", "up", "workers"],
        env={**os.environ, "EASEL_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "EASEL_REDIS_URL is not set" in done.stderr
    assert "Traceback" not in done.stderr
