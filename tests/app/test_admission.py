"""What is kept, computed and counted of requests that are refused, sent again, or sent at the same time."""

import asyncio
import io
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from PIL import Image
from redis import Redis

from app.access.keys import Keys
from app.access.limits import MAX_UPLOADS, Limits, refusal
from app.http.errors import TooLarge, TooMany
from app.predictions.admission import Admission, ExistingPrediction, NewJob, NotAdmitted
from app.schemas.uploads import Upload
from core.embedded_redis import EmbeddedRedis
from core.pools import Pools
from core.settings import Settings
from jobs import keys, scripts
from jobs.admission import Bounds, Claim
from jobs.prediction import Order, Priority, Snapshot
from models.card import Task
from tests.app.test_life import stopped_worker
from tests.conftest import png

OWNER = "0b7ad439d156"
WIDE = Bounds(outstanding=1000, daily=1000, kept_bytes=2**20)
PNG = {"Content-Type": "image/png"}


def claim(prediction="p", images=1, bounds=WIDE, **more):
    fields = {"owner": OWNER, "images": images, "bounds": bounds, "max_queue": 100, **more}
    return Claim(prediction, "toy-dcgan", Priority.NORMAL, **fields)


def job(of, expected_bytes=0, **order):
    asked = Order(model=of.model, task=Task.SAMPLE, input={"n": of.images}, owner=of.owner, **order)
    return NewJob(of, asked, 60, expected_bytes)


def admitting(redis_url, act, ttl_s=100):
    """Runs `act(admission)` on a Redis that knows the owner."""

    async def run():
        async with Keys.at(redis_url) as known:
            await known.redis.hset(keys.API_KEYS, OWNER, "{}")
            return await act(Admission(known.redis, Pools(()), ttl_s, "api"))

    return asyncio.run(run())


def used(redis):
    outstanding, images, predictions, _, kept, *_ = redis.eval(scripts.USAGE, 0, OWNER)
    return {"outstanding": outstanding, "images": images, "predictions": predictions, "kept": kept}


@pytest.mark.parametrize("bound", ["outstanding", "daily"])
def test_of_claims_at_the_same_time_as_many_are_granted_as_may_be_and_no_more_are_counted(redis, redis_url, bound):
    async def act(admission):
        claims = [claim(f"{index:032}", bounds=replace(WIDE, **{bound: 7})) for index in range(30)]
        return await asyncio.gather(*map(admission.claim, claims), return_exceptions=True)

    outcomes = admitting(redis_url, act)
    assert sum(isinstance(each, Claim) for each in outcomes) == 7
    assert sum(isinstance(each, NotAdmitted) for each in outcomes) == 23
    assert used(redis) == {"outstanding": 7, "images": 7, "predictions": 7, "kept": 0}


def test_what_is_refused_for_one_bound_counts_for_no_other(redis, redis_url):
    async def act(admission):
        one = replace(WIDE, outstanding=1, daily=3)
        await admission.claim(claim("a", bounds=one))
        for images in (1, 5):
            with pytest.raises(NotAdmitted, match="outstanding"):
                await admission.claim(claim("b", images, bounds=one))
        with pytest.raises(NotAdmitted, match="quota"):
            await admission.claim(claim("b", 3, bounds=replace(one, outstanding=2)))

    admitting(redis_url, act)
    assert used(redis) == {"outstanding": 1, "images": 1, "predictions": 1, "kept": 0}


def test_a_claim_is_given_back_whole_and_to_its_own_day(redis, redis_url):
    async def act(admission):
        first, second = await admission.claim(claim("a", 3)), await admission.claim(claim("b", 4, request="r"))
        await admission.release(first, made_perhaps=True)
        assert used(redis) == {"outstanding": 1, "images": 4, "predictions": 1, "kept": 0}
        redis.delete("easel:used:" + OWNER)  # the day is over
        await asyncio.sleep(1.1)
        await admission.claim(claim("c", 2))
        await admission.release(second, made_perhaps=True)
        assert used(redis) == {"outstanding": 1, "images": 2, "predictions": 1, "kept": 0}
        assert isinstance(await admission.claim(claim("b", 4, request="r")), Claim), "the name is free again"

    admitting(redis_url, act)


def test_the_images_that_only_the_picture_tells_are_counted_when_it_is_enqueued(redis, redis_url):
    async def act(admission):
        bounds = replace(WIDE, daily=10)
        granted = await admission.claim(claim("a", 1, bounds=bounds))
        assert isinstance(await admission.enqueue(job(replace(granted, images=6)), {}), Snapshot)
        assert used(redis)["images"] == 6
        other = await admission.claim(claim("b", 1, bounds=bounds))
        with pytest.raises(NotAdmitted, match="quota"):
            await admission.enqueue(job(replace(other, images=5)), {"picture": b"pixels"})
        await admission.release(other, made_perhaps=True)
        assert used(redis) == {"outstanding": 1, "images": 6, "predictions": 1, "kept": used(redis)["kept"]}
        assert not redis.exists(keys.picture_key("picture"))

    admitting(redis_url, act)


def test_a_request_that_has_a_name_is_on_its_way_once(redis, redis_url):
    async def act(admission):
        asked = {"request": "order-17", "digest": "d"}
        first = await admission.claim(claim("a", **asked))
        with pytest.raises(NotAdmitted, match="claimed") as refused:
            await admission.claim(claim("b", **asked))
        assert refused.value.told == (b"d",)
        await admission.enqueue(job(first), {})
        assert await admission.claim(claim("b", **asked)) == ExistingPrediction("a", "d")
        assert 0 < redis.ttl(keys.idempotency_key("order-17")) <= 100

    admitting(redis_url, act)
    assert used(redis)["images"] == 1


@pytest.mark.parametrize("status", ["finished", "failed", "canceled", "stopped"])
def test_an_end_that_nobody_reported_frees_its_place_and_what_it_kept(redis, redis_url, status):
    """A worker or an API that died cannot count down."""

    async def act(admission):
        one = replace(WIDE, outstanding=1)
        await admission.enqueue(job(claim("a", bounds=one), expected_bytes=5000), {})
        for unfinished in ("queued", "started"):
            redis.hset(keys.job_key("a"), "status", unfinished)
            with pytest.raises(NotAdmitted, match="outstanding"):
                await admission.claim(claim("b", bounds=one))
            assert used(redis)["kept"] > 5000
        redis.hset(keys.job_key("a"), "status", status)
        await admission.claim(claim("b", bounds=one))

    admitting(redis_url, act)
    assert used(redis) == {"outstanding": 1, "images": 2, "predictions": 2, "kept": 0}


def test_a_claim_whose_job_never_came_is_forgotten_after_a_while(redis, redis_url):
    async def act(admission):
        one = replace(WIDE, outstanding=1)
        await admission.claim(claim("a", bounds=one))
        redis.zadd(keys.outstanding_key(OWNER), {"a": time.time() - 50})
        with pytest.raises(NotAdmitted, match="outstanding"):
            await admission.claim(claim("b", bounds=one))
        redis.zadd(keys.outstanding_key(OWNER), {"a": time.time() - 61})
        await admission.claim(claim("b", bounds=one))

    admitting(redis_url, act)


def test_all_bytes_of_a_key_count_until_they_expire_and_not_one_longer(redis, redis_url):
    async def act(admission):
        pixels = {"one": bytes(300), "two": bytes(200)}
        await admission.enqueue(job(claim("a"), expected_bytes=1000), pixels)
        asked = redis.hstrlen(keys.job_key("a"), "data")
        assert used(redis)["kept"] == 500 + asked + 1000
        assert redis.get(keys.picture_key("one")) == bytes(300)
        args = ["worker", "execution", "now", 1, "a", 1, b"result", 0, 2, b"image 0", b"the image 1", b"latents", 40]
        redis.eval(scripts.SUCCEED, 4, "started", "finished", "worker", "running", *args)
        assert used(redis)["kept"] == 500 + asked + len(b"resultimage 0the image 1latents") + 40, (
            "40 bytes lie in a store"
        )
        assert redis.get(keys.latents_key("a")) == b"latents"
        await asyncio.sleep(1.1)
        assert used(redis)["kept"] == 500, "results were kept for a second"
        redis.zadd(keys.kept_key(OWNER), {"inputs:a": time.time() - 1})
        assert used(redis)["kept"] == 0
        assert not redis.exists(keys.kept_key(OWNER))

    admitting(redis_url, act)


def test_beyond_the_bytes_that_are_kept_of_a_key_it_is_told_how_many_they_are_and_until_when(redis, redis_url):
    async def act(admission):
        bounds = replace(WIDE, kept_bytes=10_000)
        await admission.enqueue(job(claim("a", bounds=bounds), expected_bytes=100), {"one": bytes(7000)})
        with pytest.raises(NotAdmitted, match="kept") as refused:
            await admission.enqueue(job(claim("b", bounds=bounds), expected_bytes=3000), {"two": bytes(10)})
        assert not redis.exists(keys.picture_key("two"), keys.job_key("b"))
        asked = redis.hstrlen(keys.job_key("a"), "data")
        problem = refusal(refused.value.claim, "kept", *map(float, refused.value.told))
        assert isinstance(problem, TooMany)
        assert problem.code == "too_much_kept"
        assert f"{7100 + asked:,} bytes" in problem.detail
        assert "10,000" in problem.detail
        assert 98 <= int(problem.headers["Retry-After"]) <= 100, "when the picture of the first expires"
        with pytest.raises(NotAdmitted, match="kept") as refused:
            await admission.enqueue(job(claim("b", bounds=bounds), expected_bytes=10_001), {})
        assert isinstance(refusal(refused.value.claim, "kept", *map(float, refused.value.told)), TooLarge)
        await admission.enqueue(job(claim("b", bounds=bounds), expected_bytes=1000), {})

    admitting(redis_url, act)


def test_of_uploads_at_the_same_time_as_many_are_kept_as_may_be(redis, redis_url):
    picture = Upload.model_construct(bytes=1000, expires_at=datetime.now(UTC) + timedelta(minutes=1))

    async def run():
        async with Keys.at(redis_url) as known:
            key, _ = await known.create("test", ["predict"])
            limits = Limits(known.redis, Settings(key_uploads_mb=5000 / 2**20, key_kept_mb=2**20))
            uploads = [picture.model_copy(update={"id": f"{index:032}"}) for index in range(20)]
            outcomes = await asyncio.gather(
                *(limits.claim_upload(key, each) for each in uploads), return_exceptions=True
            )
            kept = [each for each, outcome in zip(uploads, outcomes, strict=True) if outcome is None]
            told = (await limits.usage(key)).uploads
            assert (len(kept), told.count, told.used) == (5, 5, 5000)
            await limits.release_upload(key, kept[0])
            await limits.release_upload(key, kept[0])
            told = (await limits.usage(key)).uploads
            assert (told.count, told.used) == (4, 4000)
            small = picture.model_copy(update={"bytes": 1})
            limits = Limits(known.redis, Settings(key_uploads_mb=1))
            for index in range(MAX_UPLOADS - 4):
                await limits.claim_upload(key, small.model_copy(update={"id": f"small-{index}"}))
            with pytest.raises(TooMany):
                await limits.claim_upload(key, small.model_copy(update={"id": "one more"}))

    asyncio.run(run())


def test_with_full_memory_nothing_is_taken_and_all_can_be_given_back(tmp_path):
    server = EmbeddedRedis(tmp_path / "redis", memory_mb=8)
    server.start()
    try:
        with Redis.from_url(server.url) as redis:
            assert redis.config_get("maxmemory*")["maxmemory"] == str(8 * 2**20)
            assert redis.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"

            async def act(admission):
                made = job(claim("a"), expected_bytes=100)
                await admission.enqueue(made, {"one": bytes(1000)})
                granted = await admission.claim(claim("b", request="r"))
                redis.config_set("maxmemory", "100kb")
                with pytest.raises(Exception, match="OOM"):
                    await admission.enqueue(job(granted), {"two": bytes(1000)})
                with pytest.raises(Exception, match="OOM"):
                    await admission.claim(claim("c"))
                assert not redis.exists(keys.picture_key("two"), keys.job_key("b"))
                await admission.release(granted, made_perhaps=True)
                assert used(redis)["outstanding"] == used(redis)["images"] == 1
                redis.hdel(keys.job_key("a"), "status")
                assert used(redis)["kept"] == 1000, "a result that will not come is struck off"

            admitting(server.url, act)
    finally:
        server.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("admission")


@pytest.fixture(scope="module")
def guarded(start_easel, folder):
    """An Easel that asks for keys and keeps a megabyte of each."""
    return start_easel(data_dir=folder, auth="required", key_kept_mb=1, key_rate="6000/minute")


@pytest.fixture
def client(guarded, folder):
    """A client with a key of its own."""

    async def make():
        async with Keys.at(EmbeddedRedis(folder / "redis").url) as known:
            return (await known.create("test", ["predict"], outstanding=50, daily=90))[1]

    headers = {"Authorization": f"Bearer {asyncio.run(make())}"}
    with httpx.Client(base_url=guarded.url, headers=headers, timeout=60) as opened:
        yield opened


def usage(client):
    (told,) = client.get("/v1/usage").json()["data"]
    return told


def translation(side=None):
    small = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(small, "PNG")
    fit = {"fit": "tile", "side": side} if side else {}
    return {"files": {"image": ("a.png", small.getvalue(), "image/png")}, "data": fit}


def test_requests_that_are_sent_again_under_an_id_keep_nothing(guarded, folder, client):
    """Each would keep 120 kB otherwise: a picture of 8 x 8, enlarged to 200 x 200."""
    body = {"model": "toy-pix2pix", "task": "translate", "input": {"fit": "tile", "side": 200}}
    files = {"request": (None, httpx.Response(200, json=body).text), **translation()["files"]}
    with Redis.from_url(EmbeddedRedis(folder / "redis").url) as redis:
        first = client.put("/v1/predictions/again", files=files, headers={"Prefer": "wait=30"})
        assert first.status_code == 201, first.text
        before, taken = redis.info("memory")["used_memory"], usage(client)
        with ThreadPoolExecutor(8) as pool:
            again = list(pool.map(lambda _: client.put("/v1/predictions/again", files=files), range(200)))
        assert {each.status_code for each in again} == {201}
        assert {each.json()["id"] for each in again} == {"again"}
        assert redis.info("memory")["used_memory"] - before < 2**20
    told = usage(client)
    assert told["requests"]["used"] == 201
    for counted in ("images_today", "outstanding", "kept"):
        assert told[counted]["used"] == taken[counted]["used"]
    assert told["predictions_today"] == 1


def test_of_a_hundred_parallel_requests_as_many_are_counted_as_are_taken(guarded, client):
    asks = {"json": {"model": "toy-dcgan", "input": {"n": 1}}}
    with stopped_worker(guarded), ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: client.post("/v1/predictions", **asks), range(100)))
        codes = [each.json().get("code", "taken") for each in answers]
        assert codes.count("taken") == 50
        assert codes.count("too_many_outstanding") == 50
        told = usage(client)
        assert (told["images_today"]["used"], told["predictions_today"], told["outstanding"]["used"]) == (50, 50, 50)
        assert told["requests"]["used"] == 100
    deadline = time.monotonic() + 30
    while usage(client)["outstanding"]["used"] and time.monotonic() < deadline:
        time.sleep(0.2)
    assert client.post("/v1/predictions", json={"model": "toy-dcgan", "input": {"n": 40}}).status_code == 202
    assert client.post("/v1/predictions", **asks).json()["code"] == "quota_exceeded"


def test_a_picture_that_is_none_is_counted_as_a_request_and_as_nothing_else(client):
    bad = client.post("/v1/translate/toy-pix2pix", files={"image": ("a.png", b"nothing", "image/png")})
    malformed = client.post("/v1/predictions", content=b"{", headers={"Content-Type": "application/json"})
    assert (bad.status_code, malformed.status_code) == (415, 400)
    told = usage(client)
    assert told["requests"]["used"] == 2
    assert (told["predictions_today"], told["outstanding"]["used"], told["kept"]["used"]) == (0, 0, 0)
    assert told["images_today"] == {"used": 0, "limit": 90, "reset_s": None}


def test_what_a_key_keeps_is_bounded_told_and_freed_by_deleting(client):
    upload = png(300)
    assert 2**18 < len(upload) < 2**19
    where = [client.post("/v1/uploads", content=upload, headers=PNG) for _ in range(4)]
    assert [each.status_code for each in where] == [201, 201, 201, 429]
    assert where[3].json()["code"] == "too_much_kept"
    told = usage(client)
    assert told["kept"] == {"used": 3 * len(upload), "limit": 2**20}
    refused = client.post("/v1/translate/toy-pix2pix", **translation(side=200))
    assert (refused.status_code, refused.json()["code"]) == (429, "too_much_kept")
    assert f"{3 * len(upload):,} bytes are kept" in refused.json()["detail"]
    assert 3500 < int(refused.headers["retry-after"]) <= 3600
    large = client.post("/v1/predictions", json={"model": "toy-dcgan", "input": {"n": 64}})
    assert large.status_code == 202, "28 x 28 pixels 64 times are a few kB"
    assert client.delete(where[0].headers["location"]).status_code == 204
    made = client.post("/v1/predictions", json={"model": "toy-dcgan"}, headers={"Prefer": "wait=20"}).json()
    before = usage(client)["kept"]["used"]
    assert client.delete(made["urls"]["get"]).status_code == 204
    assert 0 < before - usage(client)["kept"]["used"] < 5000
