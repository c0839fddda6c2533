"""Pictures that are sent once and used often, and pictures that are named by a URL."""

import hashlib
import io
import json
import socket

import pytest
from PIL import Image

from tests.app.test_bad_input import assert_problem, bomb
from tests.conftest import png

PNG = {"Content-Type": "image/png"}


def predict(client, image, model="toy-pix2pix"):
    body = {"model": model, "input": {"image": image}}
    return client.post("/v1/predictions", json=body, headers={"Prefer": "wait=20"})


def translated(client, picture):
    """The hash of what a picture becomes when it is sent with its request."""
    request = json.dumps({"model": "toy-pix2pix"})
    answer = client.post(
        "/v1/predictions", data={"request": request}, files={"image": picture}, headers={"Prefer": "wait=20"}
    )
    return answer.json()["output"][0]["sha256"]


def test_an_upload_is_described_and_taken_by_predictions_of_any_size(client):
    picture = png(48, seed=3)
    answer = client.post("/v1/uploads", files={"file": picture})
    upload = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/uploads/{upload['id']}"
    assert (upload["object"], upload["bytes"], upload["media_type"]) == ("upload", len(picture), "image/png")
    assert (upload["width"], upload["height"]) == (48, 48)
    assert upload["sha256"] == hashlib.sha256(picture).hexdigest()
    assert upload["created_at"] < upload["expires_at"]
    assert client.get(answer.headers["location"]).json() == upload

    by_reference = predict(client, f"upload:{upload['id']}").json()
    assert by_reference["output"][0]["sha256"] == translated(client, picture)
    request = {"model": "toy-vae", "task": "reconstruct", "input": {"image": f"upload:{upload['id']}"}}
    assert client.post("/v1/predictions", json=request, headers={"Prefer": "wait=20"}).json()["status"] == "succeeded"


def test_a_raw_body_and_a_form_are_the_same_upload(client):
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png(700))).save(buffer, "JPEG", quality=95)
    raw = client.post("/v1/uploads", content=buffer.getvalue(), headers={"Content-Type": "image/jpeg"}).json()
    form = client.post("/v1/uploads", files={"file": buffer.getvalue()}).json()
    assert raw["media_type"] == form["media_type"] == "image/jpeg"
    assert raw["sha256"] == form["sha256"] == hashlib.sha256(buffer.getvalue()).hexdigest()
    assert raw["id"] != form["id"]


def test_a_file_larger_than_memory_is_given_to_it_arrives_whole(client):
    picture = png(720, "RGB")
    assert len(picture) > 1.2 * 2**20
    for answer in (
        client.post("/v1/uploads", files={"file": picture}),
        client.post("/v1/uploads", content=picture, headers=PNG),
    ):
        assert answer.json()["sha256"] == hashlib.sha256(picture).hexdigest()
        made = predict(client, f"upload:{answer.json()['id']}").json()
        assert made["output"][0]["sha256"] == translated(client, picture)


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"hello", 415, "not_an_image"),
        (b"", 415, "not_an_image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "not_an_image"),
        (png(256)[:20_000], 422, "truncated"),
        (bomb(), 413, "too_large"),
        (b"\0" * 3_000_000, 413, "too_large"),
    ],
)
def test_what_is_no_usable_picture_is_refused_as_it_is_in_a_prediction(client, data, status, code):
    assert_problem(client.post("/v1/uploads", content=data, headers=PNG), status, code)
    assert_problem(client.post("/v1/uploads", files={"file": data}), status, code)


def test_a_stream_without_a_length_is_cut_off_at_the_limit(client):
    def stream():
        for _ in range(30):
            yield b"\0" * 100_000

    assert_problem(client.post("/v1/uploads", content=stream(), headers=PNG), 413, "too_large")


def test_an_upload_is_one_picture(client):
    two = [("file", png()), ("file", png())]
    assert_problem(client.post("/v1/uploads", files=two), 400, "malformed_request")
    headers = {"Content-Type": "application/json"}
    assert_problem(client.post("/v1/uploads", content=b"{}", headers=headers), 415, "unsupported_media_type")
    assert_problem(client.post("/v1/uploads", content=b"x", headers={"Content-Type": "multipart/form-data"}), 400)


def test_a_deleted_or_unknown_upload_is_gone(client):
    upload = client.post("/v1/uploads", content=png(), headers=PNG).json()["id"]
    assert client.delete(f"/v1/uploads/{upload}").status_code == 204
    assert_problem(client.get(f"/v1/uploads/{upload}"), 404, "upload_not_found")
    assert_problem(client.delete(f"/v1/uploads/{upload}"), 404, "upload_not_found")
    for reference in (upload, "0" * 32, "", f"{upload}:file", "../x"):
        assert_problem(predict(client, f"upload:{reference}"), 422, "upload_not_found", "/input/image")


def test_uploads_and_the_pictures_of_jobs_are_apart(client):
    upload = client.post("/v1/uploads", content=png(), headers=PNG).json()["id"]
    inside = predict(client, f"upload:{upload}").json()["input"]["image"].removeprefix("picture:")
    assert inside != upload
    assert_problem(predict(client, f"upload:{inside}"), 422, "upload_not_found", "/input/image")
    assert_problem(predict(client, f"picture:{inside}"), 422, pointer="/input/image")
    assert_problem(client.get(f"/v1/uploads/{inside}"), 404)


def test_a_picture_by_url_is_not_fetched_unless_that_is_allowed(client, receiver):
    receiver.body = png()
    assert_problem(predict(client, f"{receiver.url}/a.png"), 422, pointer="/input/image")
    assert not receiver.received


def test_a_picture_by_url_is_the_same_as_a_file(open_client, receiver):
    picture = receiver.body = png(40, seed=9)
    made = predict(open_client, f"{receiver.url}/a.png?size=1").json()
    assert made["output"][0]["sha256"] == translated(open_client, picture)
    assert receiver.received[0].path == "/a.png?size=1"


def test_what_cannot_be_fetched_is_told_with_its_place(open_client, receiver):
    url = receiver.url
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}/"
    for source in (nobody, "http://does-not-exist.invalid/", "http://user:word@127.0.0.1/"):
        assert_problem(predict(open_client, source), 422, "image_not_fetched", "/input/image")
    assert_problem(predict(open_client, url), 415, "not_an_image", "/input/image")
    receiver.statuses = [404]
    assert "404" in assert_problem(predict(open_client, url), 422, "image_not_fetched", "/input/image")["detail"]
    receiver.statuses, receiver.headers = [302], {"Location": f"{url}/b.png"}
    before = len(receiver.received)
    assert_problem(predict(open_client, url), 422, "image_not_fetched", "/input/image")
    assert len(receiver.received) == before + 1
    receiver.statuses, receiver.endless = [200], True
    assert_problem(predict(open_client, url), 413, "too_large", "/input/image")
    assert receiver.sent < 50 * 2**20
