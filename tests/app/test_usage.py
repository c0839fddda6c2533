"""Usage for bills: what keys have had is counted with each end, and stands in a file of the day."""

import asyncio
import base64
import json
import os
from datetime import UTC, date, datetime
from pathlib import Path

import httpx
import pytest

from app.access.keys import Keys
from app.monitoring.usage_files import UsageFiles
from core import redis_connections
from core.embedded_redis import EmbeddedRedis
from jobs import keys, usage
from jobs.prediction import Image, Order, Status
from models.card import Task
from tests.app.test_access import cli
from tests.app.test_life import stopped_worker
from tests.conftest import png

DAY = date(2026, 11, 28)


def rows_of(text):
    return [json.loads(line) for line in text.splitlines()]


def told(row):
    return {name: value for name, value in row.items() if name not in ("day", "compute_ms")}


def test_what_a_key_asked_for_and_got_stands_in_the_file_of_the_day(start_easel, tmp_path):
    easel = start_easel(data_dir=tmp_path, auth="required")

    async def make():
        async with Keys.at(EmbeddedRedis(tmp_path / "redis").url) as kept:
            return await kept.create("gallery", ["predict"])

    key, token = asyncio.run(make())
    with httpx.Client(base_url=easel.url, headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        assert client.post("/v1/sample/toy-dcgan", data={"n": 3}).status_code == 200
        assert client.post("/v1/sample/toy-dcgan", data={"n": 2}).status_code == 200
        scored = {"model": "toy-vae", "task": "score", "input": {"image": png_uri()}}
        answer = client.post("/v1/predictions", json=scored, headers={"Prefer": "wait=30"})
        assert answer.json()["status"] == "succeeded", answer.text
        with stopped_worker(easel):
            waiting = client.post("/v1/predictions", json={"model": "toy-dcgan", "input": {"n": 4}}).json()
            assert client.post(waiting["urls"]["cancel"]).json()["status"] == "canceled"
    found = cli("keys", "usage", EASEL_DATA_DIR=str(tmp_path))
    assert found.returncode == 0, found.stderr
    sampled, number = rows_of(found.stdout)
    counted = {"key": key.id, "model": "toy-dcgan", "task": "sample", "succeeded": 2, "failed": 0, "canceled": 1}
    pixels = 5 * 28 * 28
    assert told(sampled) == {**counted, "images_asked": 9, "images": 5, "pixels": pixels}
    assert (number["task"], number["succeeded"], number["images"], number["pixels"]) == ("score", 1, 0, 0)
    assert sampled["compute_ms"] > 0 < number["compute_ms"]
    for arguments, lines in ((["--key", "none"], 0), (["--until", "2020-01-01"], 0), (["--key", key.id], 2)):
        assert len(rows_of(cli("keys", "usage", *arguments, EASEL_DATA_DIR=str(tmp_path)).stdout)) == lines
    assert easel.stop() == 0
    (file,) = (tmp_path / "usage").iterdir()
    assert file.read_text() == found.stdout
    assert file.name == f"{sampled['day']}.jsonl"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def png_uri():
    return "data:image/png;base64," + base64.b64encode(png()).decode()


def order(**fields):
    return Order(model="toy-dcgan", task=Task.SAMPLE, input={"n": 2}, **fields)


def image(width, height):
    return Image(seed=1, width=width, height=height, sha256="0" * 64, bytes=1, format="png")


def test_ends_add_up_by_day_key_model_and_task(redis):
    late = datetime(2026, 11, 28, 23, 59, 59, tzinfo=UTC)
    made = usage.counts_of(order(owner="a"), Status.SUCCEEDED, [image(10, 20), image(10, 20)], 12.5)
    with redis.pipeline() as pipeline:
        usage.count(pipeline, late, [made, made, usage.counts_of(order(owner="a"), Status.FAILED)])
        usage.count(pipeline, late, [usage.counts_of(order(), Status.CANCELED)])
        usage.count(pipeline, datetime(2026, 11, 29, tzinfo=UTC), [made])
        pipeline.execute()
    open_, own = usage.rows(DAY, redis.hgetall(keys.usage_key("2026-11-28")))
    assert own == usage.UsageRow(
        day=DAY, key="a", model="toy-dcgan", task=Task.SAMPLE, succeeded=2, failed=1,
        images_asked=6, images=4, pixels=800, compute_ms=25,
    )  # fmt: skip
    assert (open_.key, open_.canceled, open_.images_asked, open_.succeeded) == ("", 1, 2, 0)
    unchecked = Order(model="toy-dcgan", task=Task.SAMPLE, input={"n": "many"})
    assert usage.counts_of(unchecked, Status.FAILED) == {" toy-dcgan sample failed": 1}
    assert redis.ttl(keys.usage_key("2026-11-28")) > 39 * 86400


@pytest.fixture
def write(redis_url, redis):
    """Writes files of usage; answers with what was logged."""

    async def written(folder, days):
        async with redis_connections.connect_async(redis_url) as connection:
            files = UsageFiles(connection, folder)
            await files.write(days)
            return files._trouble

    return lambda folder, days: asyncio.run(written(Path(folder), days))


def test_a_file_is_replaced_whole_and_a_folder_that_cannot_be_written_hinders_nothing(write, redis, tmp_path):
    counts = usage.counts_of(order(owner="a"), Status.CANCELED)
    redis.hset(keys.usage_key(DAY.isoformat()), mapping=counts)
    assert write(tmp_path / "usage", [DAY]) == ""
    (file,) = (tmp_path / "usage").iterdir()
    first = file.stat().st_ino
    assert rows_of(file.read_text())[0]["canceled"] == 1
    write(tmp_path / "usage", [DAY])
    assert file.stat().st_ino == first, "what is the same is not written again"
    redis.hincrby(keys.usage_key(DAY.isoformat()), "a toy-dcgan sample canceled", 1)
    write(tmp_path / "usage", [DAY])
    assert rows_of(file.read_text())[0]["canceled"] == 2
    assert [each.name for each in (tmp_path / "usage").iterdir()] == [file.name]
    (tmp_path / "taken").write_text("")
    assert os.strerror(17) in write(tmp_path / "taken", [DAY])
