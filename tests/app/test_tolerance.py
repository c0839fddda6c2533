"""Pictures in every way that standards allow them to be sent."""

import base64
import json
from http.client import HTTPConnection
from urllib.parse import quote

import numpy as np
import pytest

from pictures import codec
from tests.conftest import pixels_of, png

PICTURE = png(32)
PLAIN = base64.b64encode(PICTURE).decode()
LINES = "\r\n".join(PLAIN[at : at + 76] for at in range(0, len(PLAIN), 76))


@pytest.mark.parametrize(
    "uri",
    [
        f"data:image/png;base64,{PLAIN}",
        f"data:image/png;base64,{LINES}",
        f"data:image/png;base64,{PLAIN.rstrip('=')}",
        f"data:image/png;base64,{quote(PLAIN, safe='')}",
        f"DATA:image/png;charset=utf-8;BASE64,{PLAIN}",
        f"  data:;base64 ,{PLAIN}\n",
        f"data:image/png,{quote(PICTURE)}",
    ],
)
def test_data_uris_are_read_as_browsers_read_them(client, uri):
    expected = client.post("/v1/translate/toy-cyclegan", files={"image": PICTURE}).content
    made = client.post("/v1/translate/toy-cyclegan", json={"image": uri})
    assert (made.status_code, made.content) == (200, expected)


def test_a_data_uri_may_be_a_large_field_of_a_form(client):
    picture = png(700)  # 1.4 MB
    assert len(picture) > 2**20
    uri = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    made = client.post("/v1/translate/toy-cyclegan", files={"image": (None, uri)})
    assert made.status_code == 200
    assert made.content == client.post("/v1/translate/toy-cyclegan", files={"image": picture}).content


@pytest.mark.parametrize(
    "head",
    [
        'Content-Disposition: form-data; name="image"\r\nContent-Type: image/png',
        'Content-Disposition: form-data; name="image"\r\nContent-Type: application/octet-stream',
        "Content-Disposition: form-data; name=\"image\"; filename*=UTF-8''h%C3%A9.png\r\nContent-Type: image/png",
    ],
)
def test_parts_are_files_by_their_type_too(client, head):
    body = b"--b\r\n" + head.encode() + b"\r\n\r\n" + PICTURE + b"\r\n--b--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    made = client.post("/v1/translate/toy-cyclegan", content=body, headers=headers)
    assert made.status_code == 200
    assert made.content == client.post("/v1/translate/toy-cyclegan", files={"image": PICTURE}).content


def test_lists_may_have_spaces_and_be_empty(client):
    asked = {"seeds": "1, 2 ,3"}
    assert client.post("/v1/interpolate/toy-vae", data=asked, headers={"Accept": "image/png"}).status_code == 200
    files = {"image": PICTURE}
    plain = client.post("/v1/translate/toy-faces", files=files, data={"targets": ""})
    assert plain.status_code == 200


def sample(client, accept=None, **fields):
    return client.post("/v1/sample/toy-dcgan", data={"seed": 1, **fields}, headers={"Accept": accept} if accept else {})


def test_format_and_quality_decide_the_answer_unless_accept_says_otherwise(client):
    assert sample(client, format="jpg").headers["content-type"] == "image/jpeg"
    assert sample(client, "*/*", format="webp").headers["content-type"] == "image/webp"
    assert sample(client, "image/*", format="avif").headers["content-type"] == "image/avif"
    assert sample(client, "image/png", format="jpg").headers["content-type"] == "image/png"
    coarse, fine = (len(sample(client, "image/jpeg", quality=quality).content) for quality in (10, 100))
    assert coarse < fine


@pytest.mark.parametrize(
    ("accept", "status", "kind"),
    [
        ("image/png;q=0, image/webp", 200, "image/webp"),
        ("image/png;q=0, */*", 200, "image/jpeg"),
        ("image/jpeg;q=0.5, image/*;q=0.1", 200, "image/jpeg"),
        ("text/html, image/avif;q=0.9, */*;q=0.8", 200, "image/avif"),
        ("image/tiff", 406, "application/problem+json"),
        ("*/*;q=0", 406, "application/problem+json"),
        ("nonsense, image/png;q=7", 200, "image/png"),
    ],
)
def test_accept_is_read_as_rfc_9110_has_it(client, accept, status, kind):
    answer = sample(client, accept)
    assert (answer.status_code, answer.headers["content-type"]) == (status, kind)


@pytest.mark.parametrize("accept", ["image/jpeg", "image/webp", "image/avif"])
def test_a_sheet_is_made_from_pixels_and_loses_once(client, accept):
    lossless = pixels_of(sample(client, "image/png", n=4).content).astype(int)
    plain = sample(client, accept, n=4, quality=95, metadata="false").content
    format = {"image/jpeg": "jpg", "image/webp": "webp", "image/avif": "avif"}[accept]
    assert plain == codec.encode(lossless.astype(np.uint8)[:, :, None], format, 95)


def test_an_image_that_lost_once_does_not_lose_again(client):
    asked = {"model": "toy-dcgan", "input": {"seed": 1}, "output": {"format": "jpg"}}
    made = client.post("/v1/predictions", json=asked, headers={"Prefer": "wait"}).json()
    here = f"/v1/predictions/{made['id']}/images/0"
    assert client.get(f"{here}.jpg").status_code == client.get(f"{here}.png").status_code == 200
    refused = client.get(f"{here}.webp")
    assert (refused.status_code, refused.json()["code"]) == (406, "not_acceptable")


def test_images_are_sent_in_part(client):
    made = client.post("/v1/predictions", json={"model": "toy-dcgan"}, headers={"Prefer": "wait"}).json()
    url = made["output"][0]["url"]
    whole = client.get(url)
    assert whole.headers["accept-ranges"] == "bytes"
    size = len(whole.content)
    for asked, part in (("0-9", slice(0, 10)), ("10-", slice(10, None)), ("-5", slice(size - 5, None))):
        answer = client.get(url, headers={"Range": f"bytes={asked}"})
        assert (answer.status_code, answer.content) == (206, whole.content[part])
    assert answer.headers["content-range"] == f"bytes {size - 5}-{size - 1}/{size}"
    beyond = client.get(url, headers={"Range": f"bytes={size}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")
    for headers in ({"Range": "bytes=0-1,3-4"}, {"Range": "bytes=0-9", "If-Range": '"other"'}, {"Range": "bytes=-"}):
        assert client.get(url, headers=headers).status_code == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_a_refusal_reaches_a_client_that_sends_its_whole_body_first(easel, chunked):
    whole = b"x" * 20 * 2**20
    body = (whole[at : at + 2**16] for at in range(0, len(whole), 2**16)) if chunked else whole
    connection = HTTPConnection(easel.url.removeprefix("http://"), timeout=30)
    connection.request("POST", "/v1/uploads", body, {"Content-Type": "image/png"}, encode_chunked=chunked)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["code"]) == (413, "too_large")
    connection.close()
