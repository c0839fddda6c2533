"""Reads are bounded: large answers are judged before they are made, sent as they are made, and let go if not taken."""

import asyncio
import io
import socket
import threading
import time
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
import uvicorn

from app.http.connection_limits import OPEN_CONNECTIONS, READ_TIMEOUT, WRITE_TIMEOUT, BoundedProtocol
from app.http.errors import Gone, Invalid
from app.http.open_connections import OpenConnections
from app.predictions import archives, rendering
from jobs.prediction import Answer, Image, Order, Snapshot, Status, Timing
from models.card import Task
from tests.conftest import free_port


def succeeded(count, side, blobs=()):
    """A prediction with so many images."""
    images = [
        Image(seed=index, width=side, height=side, sha256="0" * 64, bytes=len(blob), format="png")
        for index, blob in enumerate(blobs or [b""] * count)
    ]
    timing = Timing(queue_ms=0, load_ms=0, inference_ms=0, encode_ms=0, total_ms=0, batch_size=1)
    order = Order(model="m", task=Task.SAMPLE, input={"n": count})
    now = datetime.now(UTC)
    return Snapshot(
        "p", "m.normal", order, Status.SUCCEEDED, Answer(images=tuple(images), timing=timing), None, now, now, now
    )


class Files:
    """Images in memory; keeps account of those that were asked for."""

    def __init__(self, blobs):
        self.blobs, self.asked, self.fetched = blobs, [], False

    async def image(self, found, index):
        self.asked.append(index)
        return self.blobs[index]

    async def images(self, found):
        self.fetched = True
        return self.blobs


def store_of(blobs):
    async def image(found, index, blob):
        return blob

    return SimpleNamespace(files=Files(blobs), signing=SimpleNamespace(image=image))


@pytest.mark.parametrize(("count", "embedded"), [(8, True), (9, False)])
def test_more_than_an_answer_may_hold_is_left_out_of_it_before_an_image_is_fetched(count, embedded):
    blobs = [bytes(2**22)] * count
    found, store = succeeded(count, 2048, blobs), store_of(blobs)
    order = found.order.model_copy(update={"output": found.order.output.model_copy(update={"b64_json": True})})
    held = asyncio.run(rendering.embedded(replace(found, order=order), store))
    assert (len(held.b64), bool(store.files.fetched)) == ((count, True) if embedded else (0, False))


@pytest.mark.parametrize("animated", [False, True])
def test_what_would_be_too_large_for_one_file_is_refused_before_an_image_is_fetched(animated):
    found = succeeded(64, 2048)
    making = rendering.as_animation(found, None, "webp", 8, False) if animated else rendering.sheet_of(found, None)
    with pytest.raises(Invalid) as refused:
        asyncio.run(making)
    assert refused.value.code == "sheet_too_large"


def test_an_archive_holds_one_file_at_a_time_and_has_the_size_that_was_told():
    blobs = [bytes([index]) * (1000 + index) for index in range(20)]
    found, store = succeeded(20, 8, blobs), store_of(blobs)

    async def read():
        pieces, store.files.asked = [], []
        async for piece in archives.stream(found, store):
            pieces.append(piece)
            assert len(store.files.asked) == min(len(pieces), 20)
        return pieces

    pieces = asyncio.run(read())
    assert max(map(len, pieces)) < 3000, "a file, or the directory"
    whole = b"".join(pieces)
    assert len(whole) == archives.size(found)
    with zipfile.ZipFile(io.BytesIO(whole)) as opened:
        assert opened.testzip() is None
        assert opened.namelist() == [f"{index:03d}-seed{index}.png" for index in range(20)]
        assert [opened.read(name) for name in opened.namelist()] == blobs
    from_message = replace(found, blobs=tuple(blobs))
    assert asyncio.run(read()) == pieces
    store.files.blobs = [None] * 20
    assert b"".join(asyncio.run(_all(archives.stream(from_message, store)))) == whole
    with pytest.raises(Gone):
        asyncio.run(_all(archives.stream(found, store)))


async def _all(chunks):
    return [chunk async for chunk in chunks]


def test_parts_of_an_archive_are_those_of_the_whole(client):
    made = client.post(
        "/v1/predictions", json={"model": "toy-dcgan", "input": {"n": 5}}, headers={"Prefer": "wait=20"}
    ).json()
    where = made["urls"]["get"] + "/archive.zip"
    whole = client.get(where)
    assert int(whole.headers["content-length"]) == len(whole.content)
    size = len(whole.content)
    for asked, first, last in (
        ("0-0", 0, 0),
        ("10-1999", 10, 1999),
        (f"{size // 2}-", size // 2, size - 1),
        ("-22", size - 22, size - 1),
    ):
        part = client.get(where, headers={"Range": f"bytes={asked}"})
        assert part.status_code == 206
        assert part.headers["content-range"] == f"bytes {first}-{last}/{size}"
        assert part.content == whole.content[first : last + 1]
    assert client.get(where, headers={"Range": f"bytes={size}-"}).status_code == 416
    assert client.get(where, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    same = client.post("/v1/sample/toy-dcgan", data={"n": 2, "seed": 1}, headers={"Accept": "application/zip"})
    with zipfile.ZipFile(io.BytesIO(same.content)) as opened:
        assert opened.namelist() == ["000-seed1.png", "001-seed2.png"]


@pytest.fixture
def endless():
    """A server of 64 MB, or more than fits anywhere, and what became of its answers."""
    port, ends = free_port(), []

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            scope["state"] |= {READ_TIMEOUT: 30.0, WRITE_TIMEOUT: 1.0, OPEN_CONNECTIONS: OpenConnections(100)}
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": message["type"] + ".complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        leaving = asyncio.ensure_future(_left(receive))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(64):
            if leaving.done():
                break
            await send({"type": "http.response.body", "body": bytes(2**20), "more_body": True})
        ends.append("left" if leaving.done() else "taken")
        leaving.cancel()
        await send({"type": "http.response.body"})

    async def _left(receive):
        while (await receive())["type"] != "http.disconnect":
            pass

    server = uvicorn.Server(uvicorn.Config(app, port=port, http=BoundedProtocol, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield port, ends
    server.should_exit = True
    thread.join(20)


def wait_for(ends, timeout_s):
    deadline = time.monotonic() + timeout_s
    while not ends and time.monotonic() < deadline:
        time.sleep(0.05)
    return ends


def test_a_client_that_takes_nothing_is_hung_up_on(endless):
    port, ends = endless
    with socket.create_connection(("127.0.0.1", port)) as lazy:
        lazy.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        began = time.monotonic()
        assert wait_for(ends, 15) == ["left"]
        assert 0.9 < time.monotonic() - began < 10
        lazy.settimeout(5)
        with pytest.raises(OSError):
            while lazy.recv(2**20):
                pass
            raise ConnectionResetError


def test_a_client_that_takes_little_at_a_time_gets_all_of_it(endless):
    port, ends = endless
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
        slow.connect(("127.0.0.1", port))
        slow.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        slow.settimeout(10)
        taken, began = 0, time.monotonic()
        while chunk := slow.recv(2**16):
            taken += len(chunk)
            if time.monotonic() - began < 4:
                time.sleep(0.1)
    assert taken > 64 * 2**20
    assert wait_for(ends, 5) == ["taken"]


def test_a_filter_over_the_history_finds_what_fits_page_by_page(client):
    tag = {"Prefer": "wait=20"}
    names = []
    for index in range(6):
        model = "toy-vae" if index % 3 == 0 else "toy-gmm"
        names.append(client.post("/v1/predictions", json={"model": model, "task": "sample"}, headers=tag).json()["id"])
    seen, cursor = [], None
    while True:
        query = {"model": "toy-vae", "status": "succeeded", "limit": 1} | ({"cursor": cursor} if cursor else {})
        page = client.get("/v1/predictions", params=query).json()
        seen += [each["id"] for each in page["data"]]
        cursor = page["next_cursor"]
        if not cursor or len(seen) >= 2:
            break
    assert seen[:2] == [names[3], names[0]]
    assert client.get("/v1/predictions", params={"model": "toy-vae", "status": "failed"}).json()["data"] == []
