"""Pictures in a store instead of in Redis: in a folder, and in S3 where `make store` has installed a server."""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import zipfile
from contextlib import ExitStack

import httpx
import pytest
from redis import Redis

from core.embedded_redis import EmbeddedRedis
from core.object_store import ObjectStore, StoredObject
from jobs import keys, objects
from tests import s3
from tests.certificates import identity
from tests.in_process import serving

ASKED = {"model": "toy-dcgan", "input": {"n": 2, "seed": 1}, "output": {"latents": True}}
WAIT = {"Prefer": "wait"}


class Kept:
    """An Easel whose pictures are in a store: a client of it, and what the store has."""

    def __init__(self, client, url, server, pictures, redis):
        self.client, self.url, self.server, self.pictures, self.redis = client, url, server, pictures, redis

    def names(self):
        if self.server:
            return [name.removeprefix("easel/") for name in self.server.names()]
        return [str(path.relative_to(self.pictures)) for path in self.pictures.rglob("*") if path.is_file()]

    def make(self, **more):
        answer = self.client.post("/v1/predictions", json={**ASKED, **more}, headers=WAIT)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def break_store(self):
        if self.server:
            self.server.stop()
        else:
            shutil.rmtree(self.pictures)
            self.pictures.write_text("a file where the folder was")


@pytest.fixture(scope="module", params=["file", "s3"])
def server(request, tmp_path_factory):
    if request.param == "file":
        yield None
        return
    with s3.serving(tmp_path_factory.mktemp("s3")) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment.items():
            patch.setenv(name, value)
        yield running


@pytest.fixture(scope="module")
def keep(toy_zoo, tmp_path_factory):
    """Starts an Easel with a store."""
    with ExitStack() as opened:

        def start(server, **settings):
            folder = tmp_path_factory.mktemp("kept")
            pictures = folder / "pictures"
            url = f"s3://{s3.BUCKET}/easel" if server else f"file://{pictures}"
            client = opened.enter_context(serving(folder / "redis", toy_zoo, store=url, **settings))
            redis = opened.enter_context(Redis.from_url(EmbeddedRedis(folder / "redis").url))
            return Kept(client, url, server, pictures, redis)

        yield start


@pytest.fixture(scope="module")
def kept(server, keep):
    return keep(server)


def test_pictures_lie_in_the_store_and_not_in_redis(kept):
    made = kept.make()
    names = [name for name in kept.names() if made["id"] in name]
    assert sorted(name.rpartition(".")[2] for name in names if "." in name) == ["png", "png"]
    assert sum(name.endswith("/latents") for name in names) == 1
    assert not kept.redis.exists(keys.image_key(made["id"], 0), keys.latents_key(made["id"]))
    for image in made["output"]:
        data = kept.client.get(image["url"]).content
        assert hashlib.sha256(data).hexdigest() == image["sha256"]
    assert len(kept.client.get(made["urls"]["get"]).json()["output"][1]["latent"]) == len(made["output"][1]["latent"])


@pytest.mark.parametrize("name", ["images/1.png", "images/1.webp", "grid.png", "archive.zip"])
def test_answers_are_the_same_from_the_store(kept, name):
    made, again = kept.make(), kept.make()
    one, other = (kept.client.get(f"/v1/predictions/{each['id']}/{name}") for each in (made, again))
    assert (one.status_code, one.headers["etag"]) == (200, other.headers["etag"])
    assert one.content == other.content


def test_ranges_and_tags_hold_for_what_is_streamed(kept):
    url = kept.make()["output"][0]["url"]
    whole = kept.client.get(url)
    part = kept.client.get(url, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert kept.client.get(url, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    assert kept.client.get(url, headers={"Range": "bytes=999999-"}).status_code == 416


def test_large_pictures_come_from_the_store_to_who_waits_for_bytes(kept):
    answer = kept.client.post("/v1/sample/toy-dcgan", json={"n": 40, "seed": 1}, headers={"Accept": "application/zip"})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert len(archive.namelist()) == 40


def test_what_is_forgotten_leaves_the_store(kept):
    made = kept.make()
    assert any(made["id"] in name for name in kept.names())
    assert kept.client.delete(made["urls"]["get"]).status_code == 204
    assert not any(made["id"] in name for name in kept.names())


def test_a_picture_that_is_gone_is_410(kept):
    made = kept.make()
    store = ObjectStore(kept.url)
    for top in store.folders():
        store.sweep(lambda each, top=top: each == top)
    answer = kept.client.get(made["output"][0]["url"])
    assert (answer.status_code, answer.json()["code"]) == (410, "expired")


def test_files_are_signed_once_and_kept_in_the_store(server, keep, tmp_path):
    signing = keep(server, **identity().write(tmp_path))
    made = signing.make()
    url = made["output"][0]["url"]
    first = signing.client.get(url).content
    assert hashlib.sha256(first).hexdigest() != made["output"][0]["sha256"]
    assert signing.client.get(url).content == first
    assert not signing.redis.exists(keys.signed_key(made["id"]))
    assert any(made["id"] in name and "/signed/" in name for name in signing.names())


def test_a_store_that_is_away_fails_predictions_in_words_and_loses_no_other(keep, server, tmp_path):
    with ExitStack() as opened:
        own = opened.enter_context(s3.serving(tmp_path)) if server else None
        patch = opened.enter_context(pytest.MonkeyPatch.context())
        for name, value in (own.environment if own else {}).items():
            patch.setenv(name, value)
        kept = keep(own)
        before = kept.make(output={})
        kept.break_store()
        answer = kept.client.get(before["output"][0]["url"])
        assert (answer.status_code, answer.json()["code"]) == (503, "store_unreachable")
        assert answer.headers["retry-after"]
        failed = kept.make()
        assert (failed["status"], failed["error"]["code"]) == ("failed", "store_unreachable")
        assert failed["output"] is None
        asked = kept.client.post("/v1/sample/toy-dcgan", json={"seed": 1})
        assert (asked.status_code, asked.json()["code"]) == (503, "store_unreachable")
        deleted = kept.client.delete(before["urls"]["get"])
        assert (deleted.status_code, deleted.json()["code"]) == (503, "store_unreachable")
        assert kept.client.get(before["urls"]["get"]).status_code == 200
        if own:
            own.start()
        else:
            kept.pictures.unlink()
        after = kept.make()
        assert after["status"] == "succeeded"
        assert kept.client.get(after["output"][0]["url"]).status_code == 200


def test_callers_are_sent_to_the_store_if_so_set(server, keep):
    if not server:
        pytest.skip("a folder has no addresses")
    kept = keep(server, store_answers="redirect")
    image = kept.make()["output"][0]
    sent = kept.client.get(image["url"], follow_redirects=False)
    assert sent.status_code == 307
    assert sent.headers["location"].startswith(server.url)
    assert "etag" not in sent.headers
    found = httpx.get(sent.headers["location"])
    assert found.headers["content-type"] == "image/png"
    assert hashlib.sha256(found.content).hexdigest() == image["sha256"]
    page = kept.client.get(image["url"], headers={"Sec-Fetch-Site": "same-origin"})
    assert (page.status_code, page.content) == (200, found.content)
    other = kept.client.get(image["url"].replace(".png", ".webp"))
    assert (other.status_code, other.headers["content-type"]) == (200, "image/webp")


def test_the_start_is_refused_in_one_sentence(tmp_path):
    def started(**settings):
        environment = {**os.environ, "EASEL_REDIS_URL": "redis://127.0.0.1:1", "EASEL_DATA_DIR": str(tmp_path)}
        environment |= {f"EASEL_{name.upper()}": value for name, value in settings.items()}
        return subprocess.run(
            [sys.executable, "-m", "cli", "up"], env=environment, capture_output=True, text=True
        ).stderr

    assert "EASEL_STORE_ANSWERS=redirect needs an EASEL_STORE" in started(store_answers="redirect")
    assert "the store 's3:///nothing' cannot be used" in started(store="s3:///nothing")
    assert "EASEL_STORE" in started(store="ftp://x/y")


def test_what_has_expired_is_swept_and_nothing_else(tmp_path):
    store = ObjectStore(f"file://{tmp_path}/pictures")
    old, new = objects.folder("old", -3600), objects.folder("new", 60)
    for name in (f"{old}/0-a.png", f"{old}/signed/0.png", f"{new}/0-b.png", "somebody/else.png"):
        store.begin_put({name: StoredObject(b"picture")})()
    assert store.sweep(objects.has_expired) == 2
    left = sorted(str(path.relative_to(tmp_path / "pictures")) for path in tmp_path.rglob("*.png"))
    assert left == [f"{new}/0-b.png", "somebody/else.png"]
