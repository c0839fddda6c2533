"""What can be asked for, and how the service says that it is well."""

import json
import re
import subprocess
import time

import httpx
from jsonschema import Draft202012Validator

from tests.zoo import MODELS


def test_the_list_has_openais_shape_and_every_model(client):
    found = client.get("/v1/models").json()
    assert found["object"] == "list"
    assert set(MODELS) <= {model["id"] for model in found["data"]}
    assert all(model["object"] == "model" and model["tasks"] for model in found["data"])


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


def test_without_a_worker_requests_get_503_and_never_hang(start_easel, redis):
    easel = start_easel()
    subprocess.run(["pkill", "-STOP", "-P", str(easel.process.pid), "-f", "cli worker"], check=True)
    try:
        for _ in range(300):
            ready = httpx.get(f"{easel.url}/readyz")
            if ready.status_code == 503:
                break
            time.sleep(0.1)
        answer = httpx.post(f"{easel.url}/v1/sample/toy-dcgan")
        assert ready.json()["code"] == answer.json()["code"] == "no_worker"
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
    finally:
        subprocess.run(["pkill", "-CONT", "-P", str(easel.process.pid), "-f", "cli worker"], check=True)


def test_every_reference_in_openapi_leads_somewhere_and_every_422_is_a_problem(client):
    document = client.get("/openapi.json").json()
    references = set(re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(document)))
    assert references <= set(document["components"]["schemas"])
    for path, routes in document["paths"].items():
        for route in routes.values():
            kinds = set(route["responses"].get("422", {}).get("content", {"application/problem+json": {}}))
            expected = "application/json" if path.startswith("/v1/images/") else "application/problem+json"
            assert expected in kinds, path
