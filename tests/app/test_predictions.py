"""Making predictions over HTTP, from request to picture."""

import base64
import io
import json
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import numpy as np

from tests.conftest import pixels_of, png


def create(client, model, task=None, headers=None, **fields):
    body = {"model": model, "input": fields} | ({"task": task} if task else {})
    return client.post("/v1/predictions", json=body, headers={"Prefer": "wait=20"} | (headers or {}))


def test_a_waited_for_prediction_is_answered_whole(client):
    answer = create(client, "toy-dcgan", n=3, seed=5)
    prediction = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == prediction["urls"]["get"]
    assert answer.headers["Preference-Applied"] == "wait=20"
    assert prediction["status"] == "succeeded"
    assert prediction["task"] == "sample"
    assert [image["seed"] for image in prediction["output"]] == [5, 6, 7]
    assert prediction["metrics"]["batch_size"] >= 3
    assert client.get(prediction["urls"]["get"]).json() == prediction


def test_without_prefer_the_answer_is_202_and_the_prediction_completes(client):
    answer = client.post("/v1/predictions", json={"model": "toy-dcgan"})
    assert answer.status_code == 202
    for _ in range(100):
        found = client.get(answer.headers["Location"]).json()
        if found["status"] == "succeeded":
            break
        time.sleep(0.05)
    assert found["status"] == "succeeded"


def test_image_bytes_match_their_record_and_are_cached_by_etag(client):
    image = create(client, "toy-dcgan", seed=1).json()["output"][0]
    answer = client.get(image["url"])
    assert answer.headers["content-type"] == "image/png"
    assert sha256(answer.content).hexdigest() == image["sha256"]
    assert pixels_of(answer.content).shape == (28, 28)
    again = client.get(image["url"], headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    jpeg = client.get(image["url"].replace(".png", ".jpg"))
    assert jpeg.headers["content-type"] == "image/jpeg"
    assert jpeg.headers["etag"] != answer.headers["etag"]


def test_head_tells_what_get_would_without_the_body(client):
    image = create(client, "toy-dcgan", seed=1).json()["output"][0]["url"]
    for path in (image, "/v1/models", "/v1/predictions", "/livez"):
        whole, head = client.get(path), client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        for name in ("content-type", "content-length", "etag"):
            assert head.headers.get(name) == whole.headers.get(name), (path, name)
    assert client.head("/v1/predictions/nope").status_code == 404
    with client.stream("HEAD", create(client, "toy-dcgan").json()["urls"]["events"]) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")


def test_if_none_match_takes_lists_weak_tags_and_the_star(client):
    image = create(client, "toy-dcgan", seed=1).json()["output"][0]["url"]
    tag = client.get(image).headers["etag"]
    for held, status in ((f'"a", {tag}', 304), (f"W/{tag}", 304), ("*", 304), ('"a"', 200), ("", 200)):
        assert client.get(image, headers={"If-None-Match": held}).status_code == status, held


def test_a_wrong_method_is_told_the_right_ones(client):
    answer = client.request("PATCH", "/v1/predictions")
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}
    assert client.options("/v1/sample/toy-dcgan").headers["allow"] == "POST"


def test_the_same_seed_gives_the_same_bytes_whatever_it_was_batched_with(client):
    alone = client.post("/v1/sample/toy-dcgan", data={"seed": 7}).content

    def one(index):
        answer = create(client, "toy-dcgan", n=1 + index % 5, seed=7)
        prediction = answer.json()
        return client.get(prediction["output"][0]["url"]).content, prediction["metrics"]["batch_size"]

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(one, range(64)))
    assert {image for image, _ in found} == {alone}
    assert len({size for _, size in found}) > 1, "the requests were never batched"


def test_different_seeds_give_different_images_and_a_drawn_seed_draws_its_image_again(client):
    first = create(client, "toy-dcgan").json()["output"][0]
    second = create(client, "toy-dcgan").json()["output"][0]
    assert first["sha256"] != second["sha256"]
    assert create(client, "toy-dcgan", seed=first["seed"]).json()["output"][0]["sha256"] == first["sha256"]


def test_the_second_image_of_a_request_is_the_first_of_the_next_seed(client):
    two = create(client, "toy-dcgan", n=2, seed=10).json()["output"]
    assert create(client, "toy-dcgan", seed=11).json()["output"][0]["sha256"] == two[1]["sha256"]


def test_accept_image_png_answers_with_the_picture(client):
    answer = create(client, "toy-cgan", headers={"Accept": "image/png"}, label="7", seed=3)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-seed"] == "3"
    assert "inference;dur=" in answer.headers["server-timing"]
    assert pixels_of(answer.content).shape == (28, 28)


def test_sample_answers_curl_with_a_png_and_a_label_by_name_or_index(client):
    by_name = client.post("/v1/sample/toy-cgan", data={"label": "7", "seed": "1"})
    by_index = client.post("/v1/sample/toy-cgan", json={"label": 7, "seed": 1})
    by_query = client.post("/v1/sample/toy-cgan?label=7&seed=1")
    other = client.post("/v1/sample/toy-cgan?label=8&seed=1")
    assert by_name.headers["content-type"] == "image/png"
    assert by_name.content == by_index.content == by_query.content != other.content


def test_several_images_are_a_grid_or_a_zip(client):
    grid = client.post("/v1/sample/toy-dcgan", data={"n": 4, "seed": 1})
    assert pixels_of(grid.content).shape == (28 * 2 + 2, 28 * 2 + 2)
    archive = client.post("/v1/sample/toy-dcgan", data={"n": 4, "seed": 1}, headers={"Accept": "application/zip"})
    with zipfile.ZipFile(io.BytesIO(archive.content)) as opened:
        assert opened.namelist() == [f"{index:03d}-seed{index + 1}.png" for index in range(4)]
        first = pixels_of(opened.read("000-seed1.png"))
    assert np.array_equal(first, pixels_of(grid.content)[:28, :28])


def test_the_form_of_the_answer_follows_accept_and_format(client):
    for accept, kind in (("image/webp", "image/webp"), ("image/jpeg", "image/jpeg"), ("*/*", "image/png")):
        answer = client.post("/v1/sample/toy-dcgan", headers={"Accept": accept})
        assert answer.headers["content-type"] == kind
    answer = client.post("/v1/sample/toy-dcgan", data={"format": "jpg"}, headers={"Accept": "application/json"})
    assert answer.json()["output"][0]["url"].endswith(".jpg")


def test_a_picture_is_translated_in_the_direction_asked_for(client):
    files = {"image": ("a.png", png(), "image/png")}
    there = client.post("/v1/translate/toy-cyclegan", files=files, data={"direction": "AtoB"})
    back = client.post("/v1/translate/toy-cyclegan", files=files, data={"direction": "BtoA"})
    default = client.post("/v1/translate/toy-cyclegan", files=files)
    assert there.status_code == 200
    assert pixels_of(there.content).shape == (32, 32, 3)
    assert there.content == default.content != back.content


def test_a_multipart_prediction_and_a_data_uri_are_the_same_request(client):
    picture = png(seed=4)
    request = json.dumps({"model": "toy-pix2pix", "input": {}})
    by_file = client.post(
        "/v1/predictions", data={"request": request}, files={"image": picture}, headers={"Prefer": "wait=20"}
    )
    uri = "data:image/png;base64," + base64.b64encode(picture).decode()
    by_uri = create(client, "toy-pix2pix", image=uri)
    assert by_file.json()["output"][0]["sha256"] == by_uri.json()["output"][0]["sha256"]
    assert by_uri.json()["input"]["image"].startswith("picture:")


def test_a_vae_reconstructs_and_interpolates(client):
    rebuilt = client.post(
        "/v1/predictions",
        data={"request": json.dumps({"model": "toy-vae", "task": "reconstruct"})},
        files={"image": png(28, "L")},
        headers={"Accept": "image/png"},
    )
    assert pixels_of(rebuilt.content).shape == (28, 28)
    walk = create(client, "toy-vae", "interpolate", seeds=[1, 2], frames=5).json()["output"]
    ends = [create(client, "toy-vae", "sample", seed=seed).json()["output"][0] for seed in (1, 2)]
    assert len(walk) == 5
    for frame, end in zip((walk[0], walk[-1]), ends, strict=True):
        assert np.array_equal(*(pixels_of(client.get(image["url"]).content) for image in (frame, end)))


def test_truncation_keeps_latents_closer_together(client):
    def spread(**fields):
        answer = client.post("/v1/sample/toy-dcgan", params={"n": 16, "seed": 1, **fields})
        cells = pixels_of(answer.content)[: 4 * 30 - 2].astype(float)
        return np.std([cells[row * 30 : row * 30 + 28, :28] for row in range(4)], axis=0).mean()

    assert spread(truncation=0.1) < spread() / 2


def test_high_priority_is_accepted(client):
    assert client.post("/v1/sample/toy-dcgan?priority=high").status_code == 200
