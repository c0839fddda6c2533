"""Pictures that take long to read: a key that sends them holds up its own alone, and not the API."""

from __future__ import annotations

import asyncio
import io
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import httpx
import pytest
from PIL import Image

from app.access.keys import Keys
from app.predictions.turns import Turns
from core.embedded_redis import EmbeddedRedis
from tests.conftest import png
from tests.pictures.hostile import jpeg_of_scans, png_of_one_column, tiff_of_one_tile

GROWTH_MB = 150
"""What the API may hold more at its most, after all of this. The files took 856 MB and 2 GB of it when it read them."""
SOON_S = 20
"""Where a small picture of another key waited for 92 s; alone it takes milliseconds on a machine that is not shared."""
GREEDY_AT_ONCE = 16
UPLOADS = 12
"""How many a modest key sends, one at a time, alone and beside a greedy one."""
TIMES_ALONE = 40
"""What each may take at most of the time that it takes alone, by the median: a tiny picture, while all cores read
large ones. Without turns it was 160 to 200 times."""


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


def test_ordinary_pictures_of_one_key_do_not_hold_up_anothers(as_key):
    greedy, modest, buffer = as_key(), as_key(), io.BytesIO()
    Image.effect_noise((2000, 2000), 60).convert("RGB").save(buffer, "PNG", compress_level=6)
    assert upload(modest, png()) == (201, None)

    def took():
        began = time.monotonic()
        assert upload(modest, png()) == (201, None)
        return time.monotonic() - began

    def flood(until):
        while not until.is_set():
            assert upload(greedy, buffer.getvalue())[0] in (201, 429)

    alone, beside = [], []
    for _ in range(2):
        alone += [took() for _ in range(UPLOADS // 2)]
        ends = threading.Event()
        with ThreadPoolExecutor(GREEDY_AT_ONCE) as pool:
            sent = [pool.submit(flood, ends) for _ in range(GREEDY_AT_ONCE)]
            time.sleep(1)
            beside += [took() for _ in range(UPLOADS // 2)]
            ends.set()
        for each in sent:
            each.result()
    assert median(beside) < TIMES_ALONE * median(alone)


def test_keys_take_turns_and_none_has_all_places():
    async def run():
        turns, begun, ends = Turns(places=3, per_key=2), [], asyncio.Event()

        async def hold(key):
            async with turns.of(key):
                begun.append(key)
                await ends.wait()

        async with asyncio.TaskGroup() as group:
            for key in ("a", "a", "a", "a", "b", "b", "c"):
                group.create_task(hold(key))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            first = list(begun)
            ends.set()
        return first, begun

    first, begun = asyncio.run(run())
    assert first == ["a", "a", "b"], "a place is left to others"
    assert begun == ["a", "a", "b", "a", "b", "c", "a"]


def test_who_no_longer_waits_has_no_turn_and_no_place_is_lost():
    async def run():
        turns = Turns(places=1, per_key=1)
        async with turns.of("a"):
            with pytest.raises(TimeoutError):
                async with turns.of("b", wait_s=0.01):
                    pass
            gone = [asyncio.create_task(enter(turns, key)) for key in ("b", "b", "c")]
            await asyncio.sleep(0.01)
            for each in gone:
                each.cancel()
        gone[0].cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        for key in ("a", "b", "c"):
            await asyncio.wait_for(enter(turns, key), 1)

    async def enter(turns, key):
        async with turns.of(key):
            pass

    asyncio.run(run())
