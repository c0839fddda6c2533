"""Content Credentials on what an Easel delivers, when its operator has set a certificate."""

import base64
import io
import os
import subprocess
import sys
import zipfile

import httpx
import pytest
from redis import Redis

from core.embedded_redis import EmbeddedRedis
from jobs import keys
from tests.certificates import identity
from tests.conftest import pixels_of
from tests.pictures.test_content_credentials import verdict

STUDIO = identity()
ASKED = {"model": "toy-dcgan", "input": {"n": 2, "seed": 1}, "output": {"b64_json": True}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("signing")


@pytest.fixture(scope="module")
def signing(start_easel, folder):
    """A client of an Easel that signs."""
    easel = start_easel(data_dir=folder, **STUDIO.write(folder))
    with httpx.Client(base_url=easel.url, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def made(signing):
    return signing.post("/v1/predictions", json=ASKED, headers={"Prefer": "wait"}).json()


def trusted(data):
    return verdict(data, STUDIO.authority)[0] == "Trusted"


@pytest.mark.parametrize("accept", ["image/png", "image/jpeg", "image/webp", "image/avif"])
@pytest.mark.parametrize("n", [1, 4])
def test_pictures_and_sheets_leave_signed(signing, accept, n):
    answer = signing.post("/v1/sample/toy-dcgan", data={"seed": 1, "n": n}, headers={"Accept": accept})
    assert answer.headers["content-type"] == accept
    assert trusted(answer.content)


@pytest.mark.parametrize("accept", ["image/webp", "image/gif"])
def test_animations_leave_signed(signing, accept):
    answer = signing.post("/v1/interpolate/toy-vae", data={"seeds": "1,2"}, headers={"Accept": accept})
    assert trusted(answer.content)


def test_an_address_gives_the_same_signed_bytes_whole_and_in_parts(signing, made):
    url = made["output"][0]["url"]
    first, again = signing.get(url), signing.get(url)
    assert trusted(first.content)
    assert again.content == first.content
    assert signing.get(url, headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    part = signing.get(url, headers={"Range": "bytes=100-", "If-Range": first.headers["etag"]})
    assert (part.status_code, part.content) == (206, first.content[100:])


def test_one_picture_is_one_file_wherever_it_is_delivered(signing, made):
    files = [signing.get(image["url"]).content for image in made["output"]]
    assert [base64.b64decode(image["b64_json"]) for image in made["output"]] == files
    with zipfile.ZipFile(io.BytesIO(signing.get(f"/v1/predictions/{made['id']}/archive.zip").content)) as archive:
        assert [archive.read(name) for name in archive.namelist()] == files


@pytest.mark.parametrize("name", ["grid.png", "images/0.webp"])
def test_what_is_made_of_a_prediction_later_is_signed_once(signing, made, name):
    url = f"/v1/predictions/{made['id']}/{name}"
    data = signing.get(url).content
    assert trusted(data)
    assert signing.get(url).content == data


def test_openai_pictures_are_signed(signing):
    asked = {"model": "toy-dcgan", "prompt": "anything", "response_format": "b64_json"}
    (image,) = signing.post("/v1/images/generations", json=asked).json()["data"]
    assert trusted(base64.b64decode(image["b64_json"]))


def test_signed_pictures_have_the_pixels_and_another_tag(signing, client, made):
    plain = client.post("/v1/predictions", json=ASKED, headers={"Prefer": "wait"}).json()
    signed, unsigned = signing.get(made["output"][0]["url"]), client.get(plain["output"][0]["url"])
    assert signed.headers["etag"] != unsigned.headers["etag"]
    assert (pixels_of(signed.content) == pixels_of(unsigned.content)).all()


def test_nothing_is_kept_of_what_is_forgotten(signing, folder):
    made = signing.post("/v1/predictions", json=ASKED, headers={"Prefer": "wait"}).json()
    url = made["output"][0]["url"]
    assert signing.get(url).status_code == 200
    with Redis.from_url(EmbeddedRedis(folder / "redis").url) as redis:
        assert 0 < redis.ttl(keys.signed_key(made["id"])) <= 3600
        assert signing.delete(made["urls"]["get"]).status_code == 204
        assert not redis.exists(keys.signed_key(made["id"]))


def test_a_caller_who_wants_no_mark_gets_no_signature(signing):
    plain = signing.post("/v1/sample/toy-dcgan", data={"seed": 1, "metadata": "false"}).content
    assert b"c2pa" not in plain


@pytest.mark.parametrize("command", ["up", "api"])
def test_the_start_is_refused_in_one_sentence(tmp_path, command):
    key = STUDIO.write(tmp_path)["c2pa_key"]
    environment = {**os.environ, "EASEL_C2PA_CERT": str(key), "EASEL_C2PA_KEY": str(key)}
    environment |= {"EASEL_REDIS_URL": "redis://127.0.0.1:1", "EASEL_DATA_DIR": str(tmp_path)}
    ended = subprocess.run([sys.executable, "-m", "cli", command], env=environment, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr == "EASEL_C2PA_CERT is set, and certificate and key must be PEM, the key without a passphrase\n"
