"""What can be asked for, and how the service says that it is well."""

import json
import re
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from jsonschema import Draft202012Validator
from redis import Redis
from rq.utils import utcformat

from app.http.errors import OPENAI_ROUTES
from core.embedded_redis import EmbeddedRedis
from models.registry import SHIPPED, Registry
from pictures.cover import cover_of
from tests.app.test_bad_input import assert_problem
from tests.app.test_life import stopped_worker, wait_for
from tests.conftest import free_port, pixels_of
from tests.workers.jobs import wait_until
from tests.zoo import MODELS
from workers import heartbeat


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("own")


@pytest.fixture(scope="module")
def metrics_port():
    return free_port()


@pytest.fixture(scope="module")
def own_easel(start_easel, folder, metrics_port):
    """An Easel whose worker and queues are this file's alone; three predictions fit into each."""
    return start_easel(data_dir=folder, worker_metrics_port=metrics_port, max_queue=3)


@pytest.fixture(scope="module")
def own(own_easel):
    """A client of that Easel."""
    with httpx.Client(base_url=own_easel.url, timeout=30) as opened:
        yield opened


def test_the_list_has_openais_shape_and_every_model(client):
    found = client.get("/v1/models").json()
    assert found["object"] == "list"
    assert set(MODELS) <= {model["id"] for model in found["data"]}
    assert all(model["object"] == "model" and model["tasks"] for model in found["data"])


def test_the_list_is_sent_gzipped_to_whoever_takes_that(client):
    answers = [client.get("/v1/models", headers={"Accept-Encoding": coding}) for coding in ("gzip", "identity")]
    assert [answer.headers.get("content-encoding") for answer in answers] == ["gzip", None]
    assert int(answers[0].headers["content-length"]) < int(answers[1].headers["content-length"]) / 4
    assert answers[0].json() == answers[1].json()
    assert {answer.headers["vary"] for answer in answers} == {"Accept-Encoding"}


def test_a_models_schema_says_what_it_takes(client):
    found = client.get("/v1/models/toy-cgan").json()
    assert found["card"]["weights"]["sha256"]
    schema = Draft202012Validator(found["inputs"]["conditional"])
    assert schema.is_valid({"label": "7", "n": 3, "seed": 1})
    assert not schema.is_valid({"n": 3})
    assert not schema.is_valid({"label": "7", "n": 65})
    directions = client.get("/v1/models/toy-pix2pix").json()["inputs"]["translate"]["properties"]["direction"]
    assert directions["enum"] == ["BtoA"]


def test_judges_are_not_offered(client):
    assert "mnist-classifier" not in {model["id"] for model in client.get("/v1/models").json()["data"]}
    assert client.get("/v1/models/mnist-classifier").status_code == 404


def test_health_version_docs_and_metrics(client):
    assert client.get("/livez").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ok"}
    assert client.get("/version").json()["name"] == "easel"
    assert "swagger" in client.get("/docs").text
    assert "//cdn" not in client.get("/docs").text
    client.post("/v1/sample/toy-dcgan")
    text = client.get("/metrics").text
    assert 'easel_predictions_total{model="toy-dcgan",outcome="succeeded",task="sample"}' in text
    assert 'easel_queue_depth{model="toy-dcgan",priority="normal"} 0.0' in text
    assert "easel_workers 1.0" in text


def test_the_queue_tells_what_waits_who_works_and_how_fast(easel, client):
    client.post("/v1/sample/toy-dcgan?n=3").raise_for_status()
    time.sleep(heartbeat.HEARTBEAT_S + 0.5)  # a worker's own words come with its heartbeat
    with stopped_worker(easel):
        for model, priority in (("toy-dcgan", "low"), ("toy-dcgan", "low"), ("toy-vae", "high")):
            client.post("/v1/predictions", json={"model": model, "priority": priority}).raise_for_status()
        time.sleep(0.3)
        found = client.get("/v1/queue").json()
        text = client.get("/metrics").text
    assert (found["depth"], found["running"]) == (3, 0)
    assert 0.3 < found["oldest_age_s"] < 10
    rows = {(row["model"], row["priority"]): row for row in found["queues"]}
    assert {place: row["depth"] for place, row in rows.items()} == {("toy-dcgan", "low"): 2, ("toy-vae", "high"): 1}
    assert rows["toy-dcgan", "low"]["pace_s"] > 0
    (worker,) = found["workers"]
    assert worker["alive"]
    assert worker["heartbeat_age_s"] < 2 * heartbeat.HEARTBEAT_S
    assert worker["device"] == "cpu"
    assert worker["succeeded"] >= 1
    resident = {model["id"]: model["bytes"] for model in worker["models"]}
    assert 0 < resident["toy-dcgan"] < worker["memory_bytes"]
    lately = found["lately"]
    assert lately["images_per_s"] >= 3 / 60
    assert set(lately["stages"]) - {"load"} == {"queue", "infer", "encode", "store"}, "it may have been loaded long ago"
    assert all(stage["count"] and stage["mean_ms"] >= 0 for stage in lately["stages"].values())
    assert 'easel_queue_depth{model="toy-dcgan",priority="low"} 2.0' in text
    assert re.search(r'easel_queue_oldest_age_seconds{model="toy-vae",priority="high"} [0-9.]*[1-9]', text)
    assert f'easel_worker_heartbeat_age_seconds{{worker="{worker["id"]}"}}' in text


def test_an_end_is_counted_whether_or_not_anybody_waits(easel, client):
    def counts():
        found = re.findall(
            r'easel_predictions_total{model="toy-cgan",outcome="(\w+)",task="conditional"} (\d+)', metrics()
        )
        return Counter({outcome: int(count) for outcome, count in found})

    def metrics():
        return client.get("/metrics").text

    before, asked = counts(), {"model": "toy-cgan", "input": {"label": 1}}
    made = client.post("/v1/predictions", json=asked).json()
    with stopped_worker(easel):
        waiting = client.post("/v1/predictions", json=asked).json()
        client.post(waiting["urls"]["cancel"])
    expected = before + Counter(succeeded=1, canceled=1)
    for _ in range(100):
        if counts() == expected:
            break
        time.sleep(0.05)
    assert counts() == expected, client.get(made["urls"]["get"]).json()


def test_models_are_loaded_and_unloaded_when_workers_are_told_to(own):
    def resident():
        (worker,) = own.get("/v1/queue").json()["workers"]
        return {model["id"] for model in worker["models"]}

    others = resident() - {"toy-vae"}
    for verb, expected in (("load", others | {"toy-vae"}), ("unload", others)):
        told = own.post(f"/v1/models/toy-vae/{verb}")
        assert (told.status_code, told.json()) == (202, {"model": "toy-vae", "workers": 1})
        for _ in range(100):
            if resident() == expected:
                break
            time.sleep(0.1)
        assert resident() == expected
    assert own.post("/v1/models/nope/load").status_code == 404
    assert own.post("/v1/sample/toy-vae").status_code == 200


def test_a_worker_answers_prometheus_itself(own, metrics_port):
    def told():
        return httpx.get(f"http://127.0.0.1:{metrics_port}/metrics").text

    def stages(text):
        return {name: float(count) for name, count in re.findall(r'seconds_count{stage="(\w+)"} (\S+)', text)}

    before = stages(told())
    own.post("/v1/sample/toy-infogan?n=3").raise_for_status()
    text = told()
    assert 'easel_batch_size_sum{model="toy-infogan"} 3.0' in text
    assert 'easel_model_loads_total{model="toy-infogan"} 1.0' in text
    assert re.search(r'easel_model_resident_bytes{model="toy-infogan"} [1-9]', text)
    counted = {name: count - before.get(name, 0) for name, count in stages(text).items()}
    assert counted == dict.fromkeys(("queue", "load", "infer", "encode", "store"), 1)
    assert "process_resident_memory_bytes" in text


def test_a_full_queue_is_503_with_a_computed_retry_after(own_easel, own):
    own.post("/v1/predictions", json={"model": "toy-dcgan"}, headers={"Prefer": "wait=20"})
    with stopped_worker(own_easel):
        answers = [own.post("/v1/predictions", json={"model": "toy-dcgan"}) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [202] * 3 + [503] * 2
        assert_problem(answers[-1], 503, "queue_full")
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert own.post("/v1/predictions", json={"model": "toy-vae"}).status_code == 202
    for answer in answers[:3]:
        wait_for(own, answer.headers["location"], "succeeded")


def test_metric_labels_do_not_grow_with_what_callers_send(client):
    for index in range(5):
        client.get(f"/v1/models/unknown-{index}")
        client.get(f"/nowhere/{index}")
    text = client.get("/metrics").text
    assert "unknown-" not in text
    assert "nowhere" not in text


def test_openapi_shows_examples_and_every_error(client):
    document = client.get("/openapi.json").json()
    create = document["paths"]["/v1/predictions"]["post"]
    assert create["requestBody"]["content"]["application/json"]["examples"]["conditional"]["value"]["input"]["label"]
    assert {"201", "202", "400", "404", "413", "415", "422", "503"} <= set(create["responses"])
    assert "application/problem+json" in create["responses"]["422"]["content"]


def test_without_a_worker_requests_get_503_and_never_hang(own_easel, own, folder):
    def unheard(seconds):
        """Makes it so long since the worker was last heard of."""
        since = utcformat(datetime.now(UTC) - timedelta(seconds=seconds))
        with Redis.from_url(EmbeddedRedis(folder / "redis").url) as redis:
            for worker in redis.smembers("rq:workers"):
                redis.hset(worker, "last_heartbeat", since)

    def is_ready():
        return own.get("/readyz?worker=1").status_code == 200

    with stopped_worker(own_easel):
        unheard(15)
        time.sleep(1.1)  # the API asks for workers once a second
        assert is_ready()
        unheard(21)
        wait_until(lambda: not is_ready())
        ready, answer = own.get("/readyz?worker=1"), own.post("/v1/sample/toy-dcgan")
        assert ready.json()["code"] == answer.json()["code"] == "no_worker"
        assert (ready.status_code, answer.status_code) == (503, 503)
        assert own.get("/readyz").status_code == 200, "the API itself is"
        assert int(answer.headers["retry-after"]) > 0
    wait_until(is_ready)


def test_every_reference_in_openapi_leads_somewhere_and_every_422_is_a_problem(client):
    document = client.get("/openapi.json").json()
    references = set(re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(document)))
    assert references <= set(document["components"]["schemas"])
    for path, routes in document["paths"].items():
        for route in routes.values():
            kinds = set(route["responses"].get("422", {}).get("content", {"application/problem+json": {}}))
            expected = "application/json" if path.startswith(OPENAI_ROUTES) else "application/problem+json"
            assert expected in kinds, path


def test_the_largest_pictures_that_are_taken_are_told(client):
    told = client.get("/version").json()
    assert (told["upload_bytes"], told["picture_pixels"]) == (2 * 2**20, 1_000_000)
    most = {
        name: client.get(f"/v1/models/{name}").json()["most_pixels"] for name in ("toy-vae", "toy-edsr", "toy-dcgan")
    }
    assert most["toy-vae"]["reconstruct"] == 1_000_000
    assert most["toy-edsr"] == {"upscale": 250_000}
    assert most["toy-dcgan"] == {}


def test_a_schema_tells_which_inputs_exclude_one_another_and_which_labels_there_are(client):
    found = client.get("/v1/models/toy-vae").json()["inputs"]
    assert found["interpolate"]["x-one-of"] == [["seeds", "images", "latents"]]
    assert "x-one-of" not in found["reconstruct"]
    label = client.get("/v1/models/toy-adain").json()["inputs"]["stylize"]["properties"]["label"]
    assert [one.get("enum") for one in label["anyOf"]] == [["0", "1", "2"], None, None]


def test_a_cover_is_a_small_picture_of_the_sheet_in_a_cards_shape(client):
    (found,) = [one for one in client.get("/v1/models").json()["data"] if one["id"] == "paintings-fast-style"]
    answer = client.get(found["cover"])
    assert answer.headers["content-type"] == "image/webp"
    height, width, _ = pixels_of(answer.content).shape
    assert (width, height) == (352, 220)
    assert len(answer.content) < 40_000
    again = client.get(found["cover"], headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    assert client.get(found["sheet"]).headers["etag"] != answer.headers["etag"]


def test_the_covers_of_the_shipped_models_weigh_less_than_600_kb():
    sheets = [entry.sheet for entry in Registry([SHIPPED]).served() if entry.sheet]
    assert sum(len(cover_of(sheet.read_bytes())) for sheet in sheets) < 600_000


def test_the_paintings_that_a_model_knows_are_shown(client):
    found = client.get("/v1/models/paintings-fast-style").json()
    assert list(found["class_pictures"]) == found["card"]["classes"]
    answer = client.get(found["class_pictures"]["starry-night"])
    assert answer.headers["content-type"] == "image/webp"
    pixels = pixels_of(answer.content)
    assert pixels.shape == (96, 96, 3)
    red, _, blue = pixels.reshape(-1, 3).mean(axis=0)
    assert blue > red + 20, "it is a night"
    again = client.get(found["class_pictures"]["starry-night"], headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    assert client.get(found["class_pictures"]["udnie"]).headers["etag"] != answer.headers["etag"]
    unknown = client.get("/v1/models/paintings-fast-style/classes/guernica.webp")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "class_picture_not_found")
    assert client.get("/v1/models/toy-fast-style").json()["class_pictures"] == {}
