"""The bytes of an answer: formats, grid, archive, base64, and what a picture says of itself."""

import base64
import io
import json
import subprocess
import sys
import zipfile
from hashlib import sha256

import numpy as np
import pytest
from PIL import Image

from models.card import Card
from pictures.provenance import CHUNK, PICTURE_DIGEST, Provenance
from tests.conftest import pixels_of, png


def create(client, model="toy-dcgan", task=None, output=None, **fields):
    body = {"model": model, "input": fields, "output": output or {}} | ({"task": task} if task else {})
    answer = client.post("/v1/predictions", json=body, headers={"Prefer": "wait=20"})
    assert answer.status_code == 201, answer.text
    return answer.json()


def image_of(client, prediction, index=0):
    return client.get(prediction["output"][index]["url"]).content


def chunk_of(data):
    return json.loads(Image.open(io.BytesIO(data)).text[CHUNK])


def replay(easel, path, *more):
    command = [sys.executable, "-m", "cli", "replay", str(path), "--server", easel.url, *more]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("format", ["jpg", "webp", "avif"])
def test_every_format_shows_the_same_picture(client, format):
    exact = pixels_of(image_of(client, create(client, seed=1)))
    made = client.get(create(client, seed=1, output={"format": format})["output"][0]["url"])
    assert made.headers["content-type"] == {"jpg": "image/jpeg"}.get(format, f"image/{format}")
    assert Image.open(io.BytesIO(made.content)).format == {"jpg": "JPEG"}.get(format, format.upper())
    grey = np.asarray(Image.open(io.BytesIO(made.content)).convert("L")).astype(int)
    assert np.abs(grey - exact).mean() < 3 < np.abs(grey[::-1] - exact).mean()


@pytest.mark.parametrize("format", ["jpg", "webp", "avif"])
def test_quality_counts_and_the_same_request_gives_the_same_bytes(client, format):
    def size(quality):
        one, two = (create(client, output={"format": format, "quality": quality}, seed=1)["output"][0] for _ in "12")
        assert one["sha256"] == two["sha256"]
        return len(client.get(one["url"]).content)

    assert size(10) < size(95)


def test_base64_is_the_very_file_and_comes_only_when_asked_for(client):
    prediction = create(client, output={"b64_json": True}, n=2, seed=1)
    for index, image in enumerate(prediction["output"]):
        assert base64.b64decode(image["b64_json"]) == image_of(client, prediction, index)
    assert client.get(prediction["urls"]["get"]).json() == prediction
    assert "b64_json" not in create(client)["output"][0]


def test_the_short_form_takes_the_same_output_fields(client):
    headers = {"Accept": "application/json"}
    answer = client.post("/v1/sample/toy-dcgan", data={"b64_json": "true", "grid": "1"}, headers=headers).json()
    assert base64.b64decode(answer["output"][0]["b64_json"]).startswith(b"\x89PNG")
    assert answer["urls"]["grid"]
    assert client.post("/v1/sample/toy-dcgan", data={"archive": "true"}).content.startswith(b"PK")


def test_the_grid_holds_every_image_and_is_cached_by_etag(client):
    prediction = create(client, output={"grid": True}, n=3, seed=1)
    answer = client.get(prediction["urls"]["grid"])
    assert answer.headers["content-type"] == "image/png"
    assert "max-age=3600" in answer.headers["cache-control"]
    sheet = pixels_of(answer.content)
    for index, (top, left) in enumerate([(0, 0), (0, 30), (30, 0)]):
        cell = sheet[top : top + 28, left : left + 28]
        assert np.array_equal(cell, pixels_of(image_of(client, prediction, index)))
    again = client.get(prediction["urls"]["grid"], headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = create(client, n=3, seed=2)
    assert client.get(f"{other['urls']['get']}/grid.png").headers["etag"] != answer.headers["etag"]
    assert set(other["urls"]) & {"grid", "archive"} == set()


def test_the_archive_holds_every_file_and_has_the_same_bytes_each_time(client):
    prediction = create(client, output={"archive": True, "format": "webp"}, n=2, seed=7)
    answer = client.get(prediction["urls"]["archive"])
    with zipfile.ZipFile(io.BytesIO(answer.content)) as opened:
        assert opened.namelist() == ["000-seed7.webp", "001-seed8.webp"]
        assert {entry.date_time for entry in opened.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        for image, name in zip(prediction["output"], opened.namelist(), strict=True):
            assert sha256(opened.read(name)).hexdigest() == image["sha256"]
    again = client.get(prediction["urls"]["archive"], headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_prediction_without_images_has_neither_grid_nor_archive(client):
    for name in ("grid.png", "archive.zip"):
        answer = client.get(f"/v1/predictions/{'0' * 32}/{name}")
        assert (answer.status_code, answer.json()["code"]) == (404, "prediction_not_found")


def test_a_png_says_what_made_it(client, toy_zoo):
    data = image_of(client, create(client, "toy-cgan", label="7", seed=5, n=2), 1)
    assert chunk_of(data) == {
        "model": "toy-cgan",
        "weights": Card.read(toy_zoo / "toy-cgan").weights.sha256,
        "task": "conditional",
        "seed": 6,
        "index": 0,
        "input": {"label": 7},
    }


def test_what_a_png_says_depends_on_the_image_alone(client):
    of_three = image_of(client, create(client, n=3, seed=1), 2)
    assert of_three == image_of(client, create(client, seed=3))
    assert of_three == client.post("/v1/sample/toy-dcgan", data={"seed": 3}).content


def test_without_metadata_a_png_says_nothing_and_shows_the_same(client):
    told, silent = (image_of(client, create(client, output={"metadata": told}, seed=1)) for told in (True, False))
    assert CHUNK not in Image.open(io.BytesIO(silent)).text
    assert np.array_equal(pixels_of(told), pixels_of(silent))


def test_an_uploaded_picture_is_named_by_its_digest_and_not_kept(client):
    uri = "data:image/png;base64," + base64.b64encode(png(32)).decode()
    first, second = (image_of(client, create(client, "toy-pix2pix", image=uri)) for _ in range(2))
    assert first == second
    assert chunk_of(first)["input"]["image"] == PICTURE_DIGEST + sha256(pixels_of(png(32)).tobytes()).hexdigest()


def test_replay_makes_the_same_pixels_again(client, easel, tmp_path):
    prediction = create(client, "toy-cgan", n=2, seed=5, label=3, truncation=0.8)
    (tmp_path / "image.png").write_bytes(image_of(client, prediction, 1))
    done = replay(easel, tmp_path / "image.png", "-o", str(tmp_path / "again.png"))
    assert done.returncode == 0, done.stderr
    assert "identical" in done.stdout
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "image.png").read_bytes()


def test_replay_finds_the_frame_of_a_walk(client, easel, tmp_path):
    walk = create(client, "toy-vae", "interpolate", seeds=[1, 2], frames=4)
    (tmp_path / "image.png").write_bytes(image_of(client, walk, 2))
    assert "identical" in replay(easel, tmp_path / "image.png").stdout


def test_replay_says_when_the_pixels_differ(client, easel, tmp_path):
    data = image_of(client, create(client, seed=1))
    pixels = pixels_of(data).copy()
    pixels[3, 4] ^= 1
    _save(tmp_path / "image.png", pixels, Provenance.read(data))
    done = replay(easel, tmp_path / "image.png")
    assert done.returncode == 1
    assert "1 of 784 values differ, by up to 1 of 255" in done.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weights": "0" * 64}, "only the same weights make the same picture"),
        ({"model": "nope"}, "there is no model 'nope'"),
        ({"input": {"image": PICTURE_DIGEST + "0" * 64}}, "made from other pictures"),
        ({"input": {"images": [PICTURE_DIGEST + "0" * 64] * 2}}, "made from other pictures"),
        ({"input": {"label": 3}}, "does not take this input"),
    ],
)
def test_replay_refuses_what_cannot_be_made_again(client, easel, tmp_path, change, words):
    data = image_of(client, create(client, seed=1))
    _save(tmp_path / "image.png", pixels_of(data), Provenance.read(data).model_copy(update=change))
    done = replay(easel, tmp_path / "image.png")
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("suffix", "format"), [("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP"), ("avif", "AVIF")])
def test_the_suffix_of_a_file_picks_its_format(easel, tmp_path, suffix, format):
    out = tmp_path / f"out.{suffix}"
    command = [sys.executable, "-m", "cli", "sample", "toy-dcgan", "-o", str(out), "--server", easel.url]
    subprocess.run(command, check=True, capture_output=True)
    with Image.open(out) as picture:
        assert picture.format == format


def test_replay_refuses_pictures_that_say_nothing(easel, tmp_path):
    damaged = png()[:200]
    for data, words in ((png(), "does not say what made it"), (b"hello", "no readable picture"), (damaged, "picture")):
        (tmp_path / "image.png").write_bytes(data)
        done = replay(easel, tmp_path / "image.png")
        assert done.returncode == 1
        assert words in done.stderr
        assert "Traceback" not in done.stderr


def _save(path, pixels, made):
    from pictures import codec

    shaped = pixels[:, :, None] if pixels.ndim == 2 else pixels
    path.write_bytes(codec.encode(shaped, made=made))


@pytest.mark.parametrize("format", ["jpg", "webp", "avif"])
def test_pictures_of_other_formats_are_replayed_too(easel, client, tmp_path, format):
    asked = {"model": "toy-dcgan", "input": {"seed": 5}, "output": {"format": format, "quality": 70}}
    made = client.post("/v1/predictions", json=asked, headers={"Prefer": "wait"}).json()
    path = tmp_path / f"image.{format}"
    path.write_bytes(client.get(made["output"][0]["url"]).content)
    done = replay(easel, path)
    assert done.returncode == 0, done.stderr
    assert "identical" in done.stdout


@pytest.mark.parametrize("accept", ["image/png", "image/jpeg", "image/webp", "image/avif"])
def test_sheets_are_marked_in_the_format_that_is_asked_for(client, accept):
    data = client.post("/v1/sample/toy-dcgan", data={"n": 4}, headers={"Accept": accept}).content
    assert b"trainedAlgorithmicMedia" in data
    assert b'easel:model="toy-dcgan"' in data
    plain = client.post("/v1/sample/toy-dcgan", data={"n": 4, "metadata": "false"}, headers={"Accept": accept}).content
    assert b"trainedAlgorithmicMedia" not in plain


@pytest.mark.parametrize("accept", ["image/webp", "image/gif"])
def test_animations_are_marked(client, accept):
    data = client.post("/v1/interpolate/toy-vae", data={"seeds": "1,2"}, headers={"Accept": accept}).content
    assert b"trainedAlgorithmicMedia" in data
