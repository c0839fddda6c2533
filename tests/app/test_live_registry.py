"""Models come, are replaced, rolled back and removed under a running Easel; no request is lost to it."""

import os
import shutil
import subprocess
import sys
import time

import httpx
import pytest

from models.card import Card
from tests.app.test_bad_input import assert_problem
from tests.app.test_life import stopped_worker, wait_for
from tests.models.test_registry import version

WAIT = {"Prefer": "wait=20"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("live")


@pytest.fixture(scope="module")
def live(start_easel, folder):
    """An Easel that looks at its folder only when it is told to."""
    return start_easel(models=folder, models_refresh_s=0)


@pytest.fixture(scope="module")
def client(live):
    with httpx.Client(base_url=live.url, timeout=30) as opened:
        yield opened


def easel(folder, *words):
    """The command, on this folder; its standard output."""
    done = subprocess.run(
        [sys.executable, "-m", "cli", "models", *map(str, words)],
        env={**os.environ, "EASEL_MODELS": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def weights(client, model):
    """Which version answers."""
    made = client.post("/v1/predictions", json={"model": model, "input": {"seed": 1}}, headers=WAIT).json()
    assert made["status"] == "succeeded", made
    return made["version"]


def test_versions_come_and_go_without_a_restart(live, client, folder, tmp_path):
    first, second = (version(tmp_path / str(seed), seed) for seed in (1, 2))
    assert_problem(client.post("/v1/predictions", json={"model": "toy-dcgan"}), 404, "model_not_found")
    easel(folder, "add", first[0])
    told = client.post("/v1/models/refresh").json()
    assert told["broken"] == []
    assert told["told"] == 2, "the worker and this API"
    assert weights(client, "toy-dcgan") == first[1].weights.sha256

    with stopped_worker(live):
        waiting = client.post("/v1/predictions", json={"model": "toy-dcgan", "input": {"seed": 1}}).json()["id"]
        easel(folder, "add", second[0])
        client.post("/v1/models/refresh")
    found = wait_for(client, f"/v1/predictions/{waiting}", "succeeded")
    assert found["version"] == first[1].weights.sha256, "what was admitted before ends on what it was admitted with"
    assert weights(client, "toy-dcgan") == second[1].weights.sha256
    assert weights(client, first[1].reference[:22]) == first[1].weights.sha256

    easel(folder, "alias", "toy-latest", "toy-dcgan")
    easel(folder, "rollback", "toy-dcgan")
    client.post("/v1/models/refresh")
    assert weights(client, "toy-dcgan") == first[1].weights.sha256
    assert weights(client, "toy-latest") == second[1].weights.sha256


def test_a_removed_model_is_no_error_for_others_and_its_predictions_fail(live, client, folder, tmp_path):
    made, _ = version(tmp_path, 3, "toy-vae")
    shutil.copytree(made, folder / "toy-vae")
    client.post("/v1/models/refresh")
    with stopped_worker(live):
        waiting = client.post("/v1/predictions", json={"model": "toy-vae"}).json()["id"]
        shutil.rmtree(folder / "toy-vae")
        assert client.get("/v1/models").status_code == 200
        assert client.get("/v1/models/toy-vae/sheet.webp").status_code == 404
        client.post("/v1/models/refresh")
        depth = {row["model"]: row["depth"] for row in client.get("/v1/queue").json()["queues"]}
        assert depth == {"toy-vae": 1}, "what waits is shown though its model is gone"
        assert_problem(client.post("/v1/predictions", json={"model": "toy-vae"}), 404, "model_not_found")
    deadline = time.monotonic() + 25
    while (found := client.get(f"/v1/predictions/{waiting}").json())["status"] == "queued":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert found["error"]["code"] == "model_not_found"


def test_what_cannot_be_served_is_told_with_the_reason(client, folder):
    (folder / "half").mkdir()
    (folder / "half" / "card.json").write_text("{")
    (told,) = client.post("/v1/models/refresh").json()["broken"]
    assert told["folder"] == str(folder / "half")
    assert "card.json" in told["reason"] or "JSON" in told["reason"]
    shutil.rmtree(folder / "half")


def test_a_card_of_absurd_sizes_is_refused_when_it_is_read(tmp_path):
    _, card = version(tmp_path, 1)
    for path, value in (("height", 10**9), ("channels", 4)):
        text = card.model_dump_json().replace(f'"{path}":{getattr(card.image, path)}', f'"{path}":{value}')
        with pytest.raises(ValueError, match=path):
            Card.model_validate_json(text)
