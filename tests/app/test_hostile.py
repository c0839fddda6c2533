"""What a hostile client sends, one after another: each gets a documented 4xx, at once, and the API's memory stays low.

The Easel here asks for keys, gives a request's head and body 2 s each, and takes bodies of 2 MB and pictures of 1 MP.
"""

import asyncio
import io
import json
import re
import socket
import struct
import subprocess
import time
import zipfile
import zlib
from pathlib import Path

import httpx
import pytest
from PIL import Image
from standardwebhooks import Webhook, WebhookVerificationError

from app.access.keys import Keys
from core.embedded_redis import EmbeddedRedis
from tests.app.conftest import WEBHOOK_SECRET
from tests.app.test_bad_input import assert_problem, bomb
from tests.conftest import png

RESIDENT_MB = 160
"""What the API may have held at its most, after all of this; it begins below 100."""

JSON = {"Content-Type": "application/json"}
PNG = {"Content-Type": "image/png"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def api(start_easel, folder):
    """A guarded Easel; at the end, its API's peak of memory is looked at."""
    bounds = {"max_upload_mb": 2, "max_pixels": 1_000_000, "read_timeout_s": 2}
    easel = start_easel(data_dir=folder, auth="required", fetch_images=True, **bounds)
    yield easel
    find = ["pgrep", "-P", str(easel.process.pid), "-f", "cli api"]
    pid = subprocess.run(find, capture_output=True, text=True).stdout.strip()
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]
    assert int(peak) / 1024 < RESIDENT_MB, "the API's peak of resident memory, in MB"


def keys(folder, act):
    async def run():
        async with Keys.at(EmbeddedRedis(folder / "redis").url) as kept:
            return await act(kept)

    return asyncio.run(run())


@pytest.fixture(scope="module")
def caller(api, folder):
    """A client with a key of its own."""
    opened = []

    def make(**limits):
        _, token = keys(folder, lambda kept: kept.create("test", ["predict"], **limits))
        headers = {"Authorization": f"Bearer {token}"}
        opened.append(httpx.Client(base_url=api.url, headers=headers, timeout=20))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture(scope="module")
def client(caller):
    return caller(rate="100000/minute")


@pytest.fixture(scope="module")
def documented(api):
    """The statuses that the OpenAPI document names, by method and path."""
    paths = httpx.get(f"{api.url}/openapi.json").json()["paths"]
    return [
        (method.upper(), re.compile(re.sub(r"{\w+}", "[^/]+", path)), set(told["responses"]))
        for path, methods in paths.items()
        for method, told in methods.items()
    ]


@pytest.fixture
def refused(documented):
    """Holds an answer against a status and the document; hands back its body."""

    def check(answer, *statuses):
        assert answer.status_code in statuses, (answer.status_code, answer.text)
        method, path = answer.request.method, answer.request.url.path
        told = [found for verb, pattern, found in documented if verb == method and pattern.fullmatch(path)]
        assert any(str(answer.status_code) in found for found in told), (method, path, answer.status_code)
        assert answer.headers["content-type"] == "application/problem+json"
        body = answer.json()
        assert body["request_id"] == answer.headers["x-request-id"]
        assert "Traceback" not in answer.text
        return body

    return check


def raw(api, *parts, pause_s=0.0, limit_s=10.0):
    """What the server answers to bytes that are sent as they are, until it hangs up; and how long that took."""
    host, _, port = api.url.removeprefix("http://").partition(":")
    began, answer = time.monotonic(), b""
    with socket.create_connection((host, int(port)), timeout=limit_s) as connection:
        try:
            for part in parts:
                connection.sendall(part)
                time.sleep(pause_s)
        except OSError:
            pass  # it hung up while we were sending; what it said is still to be read
        try:
            while chunk := connection.recv(65536):
                answer += chunk
        except ConnectionError:
            pass
    return answer, time.monotonic() - began


def head_of(client, method, path, **headers):
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: {client.headers['authorization']}"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode()


def multipart(*parts):
    """A form of parts that are given as their own headers and content."""
    body = b"".join(b"--x\r\n" + headers + b"\r\n\r\n" + content + b"\r\n" for headers, content in parts) + b"--x--\r\n"
    return {"content": body, "headers": {"Content-Type": "multipart/form-data; boundary=x"}}


DISPOSITION = b'Content-Disposition: form-data; name="image"; filename='


@pytest.mark.parametrize(
    "disposition",
    [
        DISPOSITION + b'"a.png\r\nX-Injected: 1"',
        DISPOSITION + b'"a.png\r\n\r\nHTTP/1.1 200 OK"',
        DISPOSITION + b'"../../../../etc/passwd"',
        DISPOSITION + b'"\x00"',
        DISPOSITION + b"\"%0d%0aX-Injected: 1\"; filename*=UTF-8''%0d%0aX-Injected%3a1",
        b"Content-Disposition: form-data",
        b"X-Nothing: 1",
    ],
)
def test_a_files_name_smuggles_nothing(client, refused, disposition):
    answer = client.post("/v1/translate/toy-pix2pix", **multipart((disposition, b"hello")))
    refused(answer, 400, 415)
    assert "x-injected" not in answer.headers


def test_a_picture_under_a_hostile_name_is_a_picture(client):
    for name in (b'"../../etc/passwd"', b'"a\\".png"', b'"%0d%0aSet-Cookie: a=b"'):
        answer = client.post("/v1/translate/toy-pix2pix", **multipart((DISPOSITION + name, png())))
        assert answer.status_code == 200
        assert set(answer.headers) & {"set-cookie"} == set()


TRAVERSALS = ["..%2f..%2fetc%2fpasswd", "%2e%2e", "..;", "%00", "easel:keys", "a%0d%0ab", "%ff", "*", "a" * 5000]


@pytest.mark.parametrize("name", TRAVERSALS)
def test_ids_lead_nowhere(client, name):
    for path in (
        f"/v1/predictions/{name}",
        f"/v1/predictions/{name}/events",
        f"/v1/predictions/{name}/images/0.png",
        f"/v1/predictions/{name}/deliveries",
        f"/v1/uploads/{name}",
        f"/v1/models/{name}",
    ):
        assert client.get(path).status_code in (404, 422), path
    assert client.put(f"/v1/predictions/{name}", json={"model": "toy-dcgan"}).status_code in (404, 405, 422)
    assert client.post(f"/v1/sample/{name}").status_code == 404
    image = {"model": "toy-pix2pix", "input": {"image": f"upload:{name}"}}
    assert client.post("/v1/predictions", json=image).json()["code"] == "upload_not_found"


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1" * 400, "1" * 5000, "9" * 20, "0.1", "-1", "1e2", "true"])
def test_numbers_beyond_reason_are_refused(client, refused, number):
    for field in ("n", "seed", "truncation"):
        if (field, number) in (("n", "true"), ("truncation", "0.1"), ("truncation", "true"), ("seed", "true")):
            continue  # these are numbers of a kind
        body = b'{"model": "toy-dcgan", "input": {"%b": %b}}' % (field.encode(), number.encode())
        if (field, number) == ("seed", "1e2"):
            assert client.post("/v1/predictions", content=body, headers=JSON).status_code == 202
            continue
        refused(client.post("/v1/predictions", content=body, headers=JSON), 400, 422)
    refused(client.get("/v1/predictions", params={"limit": number}), 422)
    refused(client.get("/v1/predictions", params={"cursor": f"{number}-a"}), 422)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "nan", '"NaN"', '"inf"'])
def test_what_is_no_number_is_refused(client, refused, number):
    body = b'{"model": "toy-dcgan", "input": {"truncation": %b}}' % number.encode()
    refused(client.post("/v1/predictions", content=body, headers=JSON), 400, 422)
    refused(client.post("/v1/sample/toy-dcgan", data={"truncation": number.strip('"')}), 422)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 1_000_000,
        b'{"a":' * 300_000,
        b'{"model": "toy-dcgan", "input": ' + b'{"a":' * 900 + b"1" + b"}" * 901,
        b'{"model": "toy-dcgan", "input": {"seed": ' + b"[" * 1020 + b"]" * 1020 + b"}}",
        json.dumps({"model": "toy-dcgan", "input": {str(index): 1 for index in range(50_000)}}).encode(),
        b'{"model": "toy-dcgan", "input": {"\\ud800": 1}}',
        '{"model": "toy-dcgan"}'.encode("utf-16"),
        b"\xef\xbb\xbf{}",
        b"null",
        b"\x00",
    ],
)
def test_json_that_is_deep_wide_or_in_another_encoding_is_refused(client, refused, body):
    started = time.monotonic()
    problem = refused(client.post("/v1/predictions", content=body, headers=JSON), 400, 422)
    assert time.monotonic() - started < 5
    assert len(problem["errors"]) <= 64


def test_of_a_key_that_is_sent_twice_the_last_counts(client):
    body = b'{"model": "nope", "model": "toy-dcgan", "input": {"seed": 1, "seed": 2}}'
    assert client.post("/v1/predictions", content=body, headers=JSON).json()["input"]["seed"] == 2


@pytest.mark.parametrize(
    "charset", ["utf-7", "idna", "punycode", "undefined", "unicode_escape", "rot13", "hex", "nope", "\xff"]
)
def test_a_charset_that_is_none_does_no_harm(client, refused, charset):
    form = multipart((b'Content-Disposition: form-data; name="seed"', b"\xff\x80xn--\\u"))
    form["headers"] = {"Content-Type": f"multipart/form-data; boundary=x; charset={charset}".encode("latin-1")}
    refused(client.post("/v1/sample/toy-dcgan", **form), 400, 422)
    headers = {"Content-Type": f"application/json; charset={charset}".encode("latin-1")}
    assert client.post("/v1/predictions", content=b'{"model": "toy-dcgan"}', headers=headers).status_code == 202


def test_a_compressed_body_is_not_read(client, refused):
    squeezed = zlib.compress(b"[" * 50_000_000, 9)
    for path, kind in (("/v1/predictions", JSON), ("/v1/uploads", PNG), ("/v1/sample/toy-dcgan", JSON)):
        for coding in ("gzip", "deflate", "br"):
            answer = client.post(path, content=squeezed, headers={**kind, "Content-Encoding": coding})
            assert "Content-Encoding" in refused(answer, 415)["detail"]


def test_a_form_of_thousands_of_parts_is_refused(client, refused):
    field, file = b'Content-Disposition: form-data; name="a"', DISPOSITION + b'"a"'
    for part in (field, file):
        refused(client.post("/v1/sample/toy-dcgan", **multipart(*[(part, b"1")] * 5000)), 400)
    refused(client.post("/v1/uploads", **multipart(*[(file, b"1")] * 5000)), 400)
    refused(client.post("/v1/sample/toy-dcgan", **multipart((field + b"\r\nX: " + b"a" * 500_000, b"1"))), 400)


def test_empty_bodies_and_endings_without_beginnings_are_told(client, refused):
    for kind in (JSON, PNG, {"Content-Type": "multipart/form-data; boundary=x"}, {}):
        refused(client.post("/v1/predictions", content=b"", headers=kind), 400, 415, 422)
        refused(client.post("/v1/uploads", content=b"", headers=kind), 400, 415)
    refused(client.post("/v1/translate/toy-pix2pix", content=b"", headers=JSON), 422)


def zip_bomb():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("a.png", b"\0" * 50_000_000)
    return buffer.getvalue()


def text_bomb():
    """A PNG of one pixel whose text chunk unpacks to 50 MB."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    text = b"comment\0\0" + zlib.compress(b"\0" * 50_000_000, 9)
    header, row = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0), zlib.compress(b"\0\0")
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"zTXt", text) + chunk(b"IDAT", row) + chunk(b"IEND", b"")
    )


def animation(frames=4000):
    buffer = io.BytesIO()
    first, *rest = [Image.new("P", (64, 64), index % 256) for index in range(frames)]
    first.save(buffer, "GIF", save_all=True, append_images=rest)
    return buffer.getvalue()


SVG = b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]><svg xmlns="http://www.w3.org/2000/svg">&a;</svg>'


@pytest.mark.parametrize(
    ("data", "statuses"),
    [
        (zip_bomb(), (415,)),
        (bomb(), (413,)),
        (bomb(60_000), (413,)),
        (SVG, (415,)),
        (b"\xff\xd8\xff\xe0" + b"\xff" * 100_000, (415, 422)),
        (b"%PDF-1.7", (415,)),
        (b"GIF89a\xff\xff\xff\xff\x00\x00\x00", (413, 415, 422)),
        (b"RIFF\xff\xff\xff\xffWEBPVP8X" + b"\xff" * 30, (413, 415, 422)),
        (b"II*\x00\x08\x00\x00\x00\xff\xff" + b"\xff" * 1000, (415, 422)),
        (b"BM" + b"\xff" * 200, (413, 415, 422)),
    ],
    ids=["zip", "png", "larger png", "svg", "jpeg", "pdf", "gif", "webp", "tiff", "bmp"],
)
def test_what_is_no_picture_or_too_much_of_one_is_refused(client, refused, data, statuses):
    started = time.monotonic()
    refused(client.post("/v1/translate/toy-pix2pix", files={"image": data}), *statuses)
    refused(client.post("/v1/uploads", content=data, headers=PNG), *statuses)
    assert time.monotonic() - started < 5


def test_a_text_that_unpacks_to_50_mb_is_not_unpacked(client):
    started = time.monotonic()
    assert client.post("/v1/translate/toy-pix2pix", files={"image": text_bomb()}).status_code == 200
    assert time.monotonic() - started < 5


def test_of_a_gif_with_thousands_of_frames_the_first_is_taken_at_once(client):
    data = animation()
    started = time.monotonic()
    assert client.post("/v1/translate/toy-pix2pix", files={"image": data}).status_code == 200
    assert client.post("/v1/uploads", content=data, headers={"Content-Type": "image/gif"}).json()["width"] == 64
    assert time.monotonic() - started < 5


def test_a_head_that_comes_too_slowly_is_408_and_the_line_is_cut(api, client):
    drops = [bytes([byte]) for byte in head_of(client, "GET", "/v1/models")[:40]]
    answer, took_s = raw(api, *drops, pause_s=0.1)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "request_timeout"
    assert 1.5 < took_s < 8


def test_a_line_on_which_nothing_is_said_is_cut(api):
    answer, took_s = raw(api)
    assert answer == b""
    assert 1.5 < took_s < 8


def test_a_body_that_comes_too_slowly_is_408_and_the_line_is_cut(api, client):
    for path, kind in (("/v1/predictions", JSON), ("/v1/uploads", PNG), ("/v1/sample/toy-dcgan", JSON)):
        head = head_of(client, "POST", path, **kind, **{"Content-Length": 1000})
        answer, took_s = raw(api, head, *[b"["] * 30, pause_s=0.1)
        assert answer.startswith(b"HTTP/1.1 408 "), path
        assert b"connection: close" in answer.lower()
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "request_timeout"
        assert 1.5 < took_s < 8


def test_a_body_that_nobody_reads_does_not_keep_the_line(api, client):
    head = head_of(client, "GET", "/v1/models", **{"Content-Length": 1000})
    answer, took_s = raw(api, head, *[b"x"] * 60, pause_s=0.1)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert took_s < 9


@pytest.mark.parametrize("drop", [b"X-Filler: " + b"a" * 1000 + b"\r\n", b"a" * 1000])
def test_a_head_without_end_is_431(api, drop):
    answer, _ = raw(api, b"GET / HTTP/1.1\r\nHost: x\r\nX-First: ", *[drop] * 400)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")


def test_a_head_just_too_large_is_told(api):
    answer, _ = raw(api, b"GET / HTTP/1.1\r\nX-First: " + b"a" * 70_000)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "head_too_large"


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /v1/predictions HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/predictions HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"POST /v1/predictions HTTP/1.1\r\nHost: x\r\nContent-Length: \xb2\r\n\r\n",
        b"POST /v1/predictions HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/predictions HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST /v1/predictions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"GET /v1/models HTTP/1.1\r\nHost: x\r\nX: a\r\n Folded: b\r\nX\x00: c\r\n\r\n",
    ],
)
def test_what_is_no_http_is_400_and_smuggles_no_second_request(api, request_):
    answer, _ = raw(api, request_)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "malformed_request"


def test_a_hostile_host_or_upgrade_header_does_no_harm(api, client):
    for host in ("[::1", "a b", "evil.example.com\\@", "x" * 5000):
        for path in ("/v1/models", "/docs", "/"):
            assert client.get(path, headers={"Host": host}).status_code < 500, (host, path)
    body = {"model": "toy-dcgan", "prompt": "", "response_format": "url"}
    assert client.post("/v1/images/generations", json=body, headers={"Host": "[::1"}).status_code < 500
    upgrade = {
        "Connection": "Upgrade, close",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "x",
        "Sec-WebSocket-Version": 13,
    }
    answer, _ = raw(api, head_of(client, "GET", "/v1/models", **upgrade))
    assert answer.split()[1] in (b"200", b"400")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Prefer", "wait=" + "9" * 5000),
        ("Prefer", 'wait=-1, wait=nan;;;,,,=="'),
        ("Accept", "image/png;q=nan, */*;q=1e999, ;;;,,," + ";a," * 5000),
        ("If-None-Match", '"' * 5000),
        ("Range", "bytes=0-99999999999999999999"),
        ("traceparent", "00-" + "0" * 5000),
        ("X-Forwarded-For", "'; DROP TABLE"),
    ],
)
def test_headers_full_of_nonsense_are_passed_over(client, name, value):
    answer = client.post("/v1/predictions", json={"model": "toy-dcgan"}, headers={name: value})
    assert answer.status_code in (200, 201, 202), answer.text
    assert client.get(answer.headers.get("location", "/v1/models"), headers={name: value}).status_code == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [("Idempotency-Key", "a" * 256), ("Cancel-After", "soon"), ("Cancel-After", "-1s"), ("Cancel-After", "9" * 99)],
)
def test_headers_that_mean_something_are_held_to_it(client, refused, name, value):
    refused(client.post("/v1/predictions", json={"model": "toy-dcgan"}, headers={name: value}), 422)


def test_what_is_anothers_does_not_exist(client, caller, refused):
    other = caller()
    made = client.post("/v1/predictions", json={"model": "toy-dcgan"}, headers={"Prefer": "wait=20"}).json()
    here = made["urls"]["get"]
    for method, path in (
        ("GET", here), ("DELETE", here), ("POST", f"{here}/cancel"), ("GET", f"{here}/events"),
        ("GET", f"{here}/deliveries"), ("GET", f"{here}/grid.png"), ("GET", made["output"][0]["url"]),
    ):  # fmt: skip
        refused(other.request(method, path), 404)
    own = other.put(here, json={"model": "toy-dcgan"})
    assert own.status_code == 202
    assert own.json()["urls"]["get"] != here, "a name is its owner's"
    upload = client.post("/v1/uploads", content=png(), headers=PNG).json()["id"]
    refused(other.get(f"/v1/uploads/{upload}"), 404)
    refused(other.delete(f"/v1/uploads/{upload}"), 404)
    request = {"model": "toy-pix2pix", "input": {"image": f"upload:{upload}"}}
    assert refused(other.post("/v1/predictions", json=request), 422)["code"] == "upload_not_found"
    assert client.post("/v1/predictions", json=request).status_code == 202
    assert client.get(here).json() == made


def test_a_revoked_key_opens_nothing(caller, folder, refused):
    revoked = caller()
    made = revoked.post("/v1/predictions", json={"model": "toy-dcgan"}).json()
    id = revoked.headers["authorization"].split("_")[1]
    assert keys(folder, lambda kept: kept.revoke(id))
    for method, path in (("GET", made["urls"]["get"]), ("POST", "/v1/predictions"), ("GET", "/v1/usage")):
        refused(revoked.request(method, path), 401)


def test_a_webhook_that_is_replayed_is_refused_by_its_receiver(open_client, receiver):
    body = {"model": "toy-dcgan", "webhook": receiver.url}
    assert open_client.post("/v1/predictions", json=body).status_code == 202
    (received,) = receiver.wait_for(1)
    Webhook(WEBHOOK_SECRET).verify(received.body, received.headers)
    later = {**received.headers, "webhook-timestamp": str(int(received.headers["webhook-timestamp"]) - 600)}
    for headers in (later, {**received.headers, "webhook-id": "msg_other"}):
        with pytest.raises(WebhookVerificationError):
            Webhook(WEBHOOK_SECRET).verify(received.body, headers)


def test_a_private_url_is_not_fetched_without_leave(client, receiver, refused):
    for url in (f"{receiver.url}/a.png", "http://localhost/a.png"):
        answer = client.post("/v1/predictions", json={"model": "toy-pix2pix", "input": {"image": url}})
        body = assert_problem(answer, 422, "image_not_fetched", "/input/image")
        refused(answer, 422)
    assert "public" in body["detail"]
    assert not receiver.received


def test_after_all_of_this_pictures_are_made(client):
    assert client.post("/v1/sample/toy-dcgan").status_code == 200
