"""Small files that take much to read: a key that sends them holds up its own pictures alone, and not the API."""

from __future__ import annotations

import asyncio
import io
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from PIL import Image

from app.access.keys import Keys
from core.embedded_redis import EmbeddedRedis
from tests.conftest import png
from tests.pictures.hostile import jpeg_of_scans, png_of_one_column, tiff_of_one_tile

GROWTH_MB = 150
"""What the API may hold more at its most, after all of this. The files took 856 MB and 2 GB of it when it read them."""
SOON_S = 20
"""Where a small picture of another key waited for 92 s; alone it takes milliseconds on a machine that is not shared."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("costly")


@pytest.fixture(scope="module")
def guarded(start_easel, folder):
    return start_easel(data_dir=folder, auth="required")


@pytest.fixture(scope="module")
def as_key(guarded, folder):
    opened = []

    async def make():
        async with Keys.at(EmbeddedRedis(folder / "redis").url) as keys:
            return (await keys.create("test", ["predict"]))[1]

    def client():
        headers = {"Authorization": f"Bearer {asyncio.run(make())}"}
        opened.append(httpx.Client(base_url=guarded.url, headers=headers, timeout=120))
        return opened[-1]

    yield client
    for one in opened:
        one.close()


def api_of(easel):
    children = Path(f"/proc/{easel.process.pid}/task/{easel.process.pid}/children").read_text().split()
    return next(pid for pid in children if b"api" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"))


def most_mb(pid):
    """The most memory that a process has held."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def upload(client, data):
    answer = client.post("/v1/uploads", files={"file": data})
    return answer.status_code, answer.json().get("code")


def test_costly_pictures_hold_up_neither_the_api_nor_another_key(guarded, as_key):
    greedy, modest, pid = as_key(), as_key(), api_of(guarded)
    assert upload(modest, png()) == (201, None)
    before, waits = most_mb(pid), []
    files = [jpeg_of_scans(90), png_of_one_column(16_000_000), tiff_of_one_tile(26_000), jpeg_of_scans(700)]
    files.append(files[0])
    with ThreadPoolExecutor(len(files)) as pool:
        sent = [pool.submit(upload, greedy, data) for data in files]
        while not all(each.done() for each in sent):
            began = time.monotonic()
            assert upload(modest, png()) == (201, None)
            waits.append(time.monotonic() - began)
            time.sleep(0.3)  # within its rate
    answers = [each.result() for each in sent]
    assert answers.count((422, "picture_too_costly")) >= 2, answers
    assert set(answers) <= {(422, "picture_too_costly"), (201, None), (503, "decoders_busy")}
    assert max(waits) < SOON_S
    assert most_mb(pid) - before < GROWTH_MB
    assert httpx.get(f"{guarded.url}/livez").status_code == 200


def test_what_is_not_ordinary_is_read_all_the_same(as_key):
    client, buffer = as_key(), io.BytesIO()
    Image.open(io.BytesIO(png(64))).save(buffer, "TIFF")
    assert upload(client, buffer.getvalue()) == (201, None)
    files = {"image": buffer.getvalue()}
    same = [
        client.post("/v1/translate/toy-pix2pix", files={"image": data}).content for data in (files["image"], png(64))
    ]
    assert same[0] == same[1]
