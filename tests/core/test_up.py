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

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.app.test_life import stopped_worker
from tests.conftest import pixels_of, png


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
    first.stop()
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


def test_a_taken_port_is_said_in_words(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        environment = {**os.environ, "EASEL_PORT": str(taken.getsockname()[1]), "EASEL_DATA_DIR": str(tmp_path)}
        done = subprocess.run([sys.executable, "-m", "cli", "up"], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "set EASEL_PORT" in done.stderr
    assert "Traceback" not in done.stderr


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
