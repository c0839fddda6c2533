"""More connections than are served at once: idle ones make room, and with none of these a new one is told."""

import json
import socket
import time
from contextlib import ExitStack, contextmanager
from http.client import HTTPResponse

import httpx
import pytest

MOST = 12
READ_TIMEOUT_S = 4
GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
UNFINISHED_HEAD = b"GET /livez HTTP/1.1\r\nHost: loc"
UNFINISHED_BODY = (
    b"POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 10\r\n\r\n"
)


@pytest.fixture(scope="module")
def few(start_easel):
    """An Easel that serves a dozen connections at once."""
    return start_easel(max_connections=MOST, read_timeout_s=READ_TIMEOUT_S)


@pytest.fixture(autouse=True)
def quiet(few):
    """The connections of the test before are gone."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if httpx.get(f"{few.url}/livez", headers={"Connection": "close"}).status_code == 200:
            time.sleep(0.2)
            return
        time.sleep(0.1)
    raise AssertionError("it stays full")


@contextmanager
def opened(easel, count, data=b""):
    """Connections on which something was sent."""
    host, _, port = easel.url.removeprefix("http://").partition(":")
    with ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection((host, int(port)), timeout=5)) for _ in range(count)
        ]
        for each in connections:
            each.sendall(data)
        time.sleep(0.3)
        yield connections


def read_answer(connection):
    """The status and the body of the answer that comes, which may be in several pieces."""
    response = HTTPResponse(connection)
    response.begin()
    return response.status, response.read()


def status_on(connection):
    return read_answer(connection)[0]


def status_after(connection, data=GET):
    connection.sendall(data)
    return status_on(connection)


def ended(connection):
    """Whether the server has hung up; what it said before is read."""
    connection.settimeout(0.2)
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


@pytest.mark.parametrize("data", [b"", GET, UNFINISHED_HEAD], ids=["silent", "kept alive", "unfinished head"])
def test_beside_many_idle_connections_a_request_is_answered_at_once(few, data):
    with opened(few, 5 * MOST, data):
        for _ in range(3):
            began = time.monotonic()
            answer = httpx.get(f"{few.url}/livez")
            assert (answer.status_code, time.monotonic() - began < 1) == (200, True)


def test_the_oldest_idle_connection_goes_and_no_more_than_needed(few):
    with opened(few, MOST, GET) as connections:
        assert all(status_on(each) == 200 for each in connections)
        assert status_after(connections[0]) == 200, "now the second one is the oldest"
        with opened(few, 2, GET) as more:
            assert all(status_on(each) == 200 for each in more)
            assert [ended(each) for each in connections[1:4]] == [True, True, False]
            assert status_after(connections[0]) == 200


def test_a_head_that_has_begun_is_told_why_it_makes_room(few):
    with opened(few, MOST, UNFINISHED_HEAD) as connections, opened(few, 1, GET) as new:
        assert status_on(new[0]) == 200
        assert status_on(connections[0]) == 503


def test_when_all_are_busy_a_new_one_gets_503_and_the_busy_ones_go_on(few):
    with opened(few, MOST, UNFINISHED_BODY) as busy:
        began = time.monotonic()
        answer = httpx.post(f"{few.url}/v1/uploads", content=bytes(300_000), headers={"Content-Type": "image/png"})
        assert time.monotonic() - began < 1
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["retry-after"] == "1"
        assert answer.headers["connection"] == "close"
        assert answer.json()["code"] == "too_many_connections"
        with opened(few, 1) as silent:
            assert status_on(silent[0]) == 503
            assert ended(silent[0])
        assert status_after(busy[0], b"no picture") == 415
        time.sleep(0.2)
        assert httpx.get(f"{few.url}/livez").status_code == 200, "it is idle now, and makes room"


def test_a_flood_while_all_are_busy_is_refused_and_leaves_nothing_behind(few):
    with opened(few, MOST, UNFINISHED_BODY), opened(few, 300, GET) as flood:
        assert all(ended(each) for each in flood)
    time.sleep(1.5)
    assert httpx.get(f"{few.url}/livez").status_code == 200


def test_a_head_that_never_ends_is_cut_with_room_left(few):
    with opened(few, 1, UNFINISHED_HEAD) as connections:
        connections[0].settimeout(READ_TIMEOUT_S + 5)
        status, body = read_answer(connections[0])
        assert (status, json.loads(body)["code"]) == (408, "request_timeout")
        assert ended(connections[0])
