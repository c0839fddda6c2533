"""Whatever is wrong with a request is said in problem+json, at once, and costs nothing else."""

import io
import struct
import time
import zlib

import pytest
from PIL import Image

from tests.conftest import png


def assert_problem(answer, status, code=None, pointer=None):
    body = answer.json()
    assert answer.status_code == status, body
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["status"] == status
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["detail"]
    if code:
        assert body["code"] == code
    if pointer:
        assert pointer in [error["pointer"] for error in body["errors"]]
    return body


def bomb(side: int = 20_000) -> bytes:
    """A valid PNG of side x side black pixels in a few dozen kB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    row = b"\0" * (side // 8 + 1)
    rows = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        ({"model": "nope"}, 404, "model_not_found", None),
        ({"model": "toy-cgan", "input": {"label": "eleven"}}, 422, "invalid_input", "/input/label"),
        ({"model": "toy-cgan", "input": {"label": 10}}, 422, "invalid_input", "/input/label"),
        ({"model": "toy-cgan", "input": {"label": -1}}, 422, "invalid_input", "/input/label"),
        ({"model": "toy-cgan"}, 422, "invalid_input", "/input/label"),
        ({"model": "toy-dcgan", "input": {"seed": -1}}, 422, "invalid_input", "/input/seed"),
        ({"model": "toy-dcgan", "input": {"seed": 2**53}}, 422, "invalid_input", "/input/seed"),
        ({"model": "toy-dcgan", "input": {"seed": 1e300}}, 422, "invalid_input", "/input/seed"),
        ({"model": "toy-dcgan", "input": {"seed": "x"}}, 422, "invalid_input", "/input/seed"),
        ({"model": "toy-dcgan", "input": {"n": 65}}, 422, "invalid_input", "/input/n"),
        ({"model": "toy-dcgan", "input": {"n": 0}}, 422, "invalid_input", "/input/n"),
        ({"model": "toy-dcgan", "input": {"colour": 1}}, 422, "invalid_input", "/input/colour"),
        ({"model": "toy-dcgan", "task": "translate"}, 422, "task_not_offered", None),
        ({"model": "toy-dcgan", "task": "fly"}, 422, "invalid_input", "/task"),
        ({"model": "toy-dcgan", "surprise": 1}, 422, "invalid_input", "/surprise"),
        ({"model": "../../etc/passwd"}, 422, "invalid_input", "/model"),
        ({"model": "toy-dcgan", "output": {"format": "bmp"}}, 422, "invalid_input", "/output/format"),
        ({"model": "toy-dcgan", "input": {"image": "data:image/png;base64,AAAA"}}, 415, None, None),
        ({"model": "toy-pix2pix", "input": {"image": "http://example.com/a.png"}}, 422, None, "/input/image"),
        ({"model": "toy-pix2pix", "input": {"image": "data:image/png;base64,%%%"}}, 422, None, "/input/image"),
        ({"model": "toy-pix2pix", "input": {"image": 7}}, 422, None, "/input/image"),
        ({"model": "toy-pix2pix", "input": {}}, 422, "invalid_input", "/input/image"),
        ({"model": "toy-vae", "task": "interpolate"}, 422, "invalid_input", "/input"),
        ({"model": "toy-vae", "task": "interpolate", "input": {"seeds": [1]}}, 422, None, "/input/seeds"),
        ([], 400, "malformed_request", None),
    ],
)
def test_a_wrong_prediction_says_where(client, body, status, code, pointer):
    if status == 415:  # a picture for a model that takes none is refused by the schema, before anything is decoded
        status, pointer = 422, "/input/image"
    assert_problem(client.post("/v1/predictions", json=body), status, code, pointer)


@pytest.mark.parametrize("text", [b"{", b"{'model': 1}", b'{"model": NaN}', b"\xff\xfe", b"[" * 100_000])
def test_broken_json_is_400(client, text):
    answer = client.post("/v1/predictions", content=text, headers={"Content-Type": "application/json"})
    assert_problem(answer, 400, "malformed_request")


def test_an_unreadable_content_type_is_415(client):
    for kind in ("text/plain", "application/xml"):
        answer = client.post("/v1/predictions", content=b"hello", headers={"Content-Type": kind})
        assert_problem(answer, 415, "unsupported_media_type")


def test_a_broken_form_is_400(client):
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert_problem(client.post("/v1/predictions", content=b"--y\r\nnothing", headers=headers), 400)
    headers = {"Content-Type": "multipart/form-data"}
    assert_problem(client.post("/v1/sample/toy-dcgan", content=b"--y\r\n", headers=headers), 400)


def test_not_an_image_is_415(client):
    for data in (b"hello", b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\x89PN"):
        answer = client.post("/v1/translate/toy-pix2pix", files={"image": data})
        assert_problem(answer, 415, "not_an_image", "/input/image")


def test_a_truncated_image_is_422(client):
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png(256))).convert("RGB").save(buffer, "JPEG")
    for data in (png(256)[:20_000], buffer.getvalue()[:5_000], b"\x89PNG\r\n\x1a\n"):
        assert_problem(client.post("/v1/translate/toy-pix2pix", files={"image": data}), 422, "truncated")


def test_a_decompression_bomb_is_413_quickly_and_its_limit_is_named(client):
    data = bomb()
    assert len(data) < 100_000
    started = time.monotonic()
    body = assert_problem(client.post("/v1/translate/toy-pix2pix", files={"image": data}), 413, "too_large")
    assert time.monotonic() - started < 2
    assert "1,000,000 pixels" in body["detail"]


def test_an_upload_over_the_limit_is_413_whether_its_length_is_declared_or_not(client):
    data = b"\0" * 3_000_000
    body = assert_problem(client.post("/v1/translate/toy-pix2pix", files={"image": data}), 413, "too_large")
    assert "2,097,152 bytes" in body["detail"]

    def stream():
        for _ in range(30):
            yield data[:100_000]

    headers = {"Content-Type": "application/json"}
    assert_problem(client.post("/v1/predictions", content=stream(), headers=headers), 413, "too_large")


def test_a_model_that_makes_no_samples_says_what_it_offers(client):
    body = assert_problem(client.post("/v1/sample/toy-pix2pix"), 422, "task_not_offered")
    assert "translate" in body["detail"]


def test_too_many_files_and_unknown_file_names_are_refused(client):
    two = [("image", png()), ("image", png())]
    assert_problem(client.post("/v1/translate/toy-pix2pix", files=two), 422, pointer="/input/image")
    assert_problem(client.post("/v1/translate/toy-pix2pix", files={"photo": png()}), 422)
    many = [("images", png()) for _ in range(9)]
    assert_problem(client.post("/v1/translate/toy-pix2pix", files=many), 400)


def test_unknown_things_are_404_and_wrong_methods_405(client):
    for path in ("/v1/predictions/nope", "/v1/predictions/" + "0" * 32, "/v1/models/nope", "/nowhere"):
        assert_problem(client.get(path), 404)
    assert_problem(client.delete("/v1/models"), 405)
    made = client.post("/v1/sample/toy-dcgan", headers={"Accept": "application/json"}).json()
    assert_problem(client.get(f"/v1/predictions/{made['id']}/images/1.png"), 404)
    assert_problem(client.get(f"/v1/predictions/{made['id']}/images/0.bmp"), 422)


def test_a_bad_request_leaves_no_job_behind(client, easel):
    before = client.get("/metrics").text
    client.post("/v1/predictions", json={"model": "toy-cgan", "input": {"label": 10}})
    after = client.get("/metrics").text
    accepted = [line for line in before.splitlines() if line.startswith("easel_predictions_accepted_total")]
    assert accepted == [line for line in after.splitlines() if line.startswith("easel_predictions_accepted_total")]


def test_a_hostile_request_id_is_replaced(client):
    kept = client.get("/livez", headers={"X-Request-Id": "abc-123"})
    assert kept.headers["x-request-id"] == "abc-123"
    replaced = client.get("/livez", headers={"X-Request-Id": "a b;c" * 100})
    assert len(replaced.headers["x-request-id"]) == 32
