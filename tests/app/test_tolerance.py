"""Pictures in every way that standards allow them to be sent."""

import base64
from urllib.parse import quote

import pytest

from tests.conftest import png

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
