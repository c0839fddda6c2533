"""The OpenAPI document: its examples fit its schemas and are taken by the service, and it names every status."""

import json
from pathlib import Path

import httpx
import jsonschema
import pytest

from tests.conftest import png

PICTURES = ("image/", "application/zip")
SHAPE = Path(__file__).parent / "openapi-shape.json"


@pytest.fixture(scope="module")
def document(client):
    return client.get("/openapi.json").json()


def fits(document, schema, value):
    jsonschema.validate(value, {**schema, "components": document["components"]})


def bodies(document):
    """Every body of the document: where it stands, and its media type, schema and examples."""
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            for kind, content in told.get("requestBody", {}).get("content", {}).items():
                yield (method, path, "request"), kind, content
            for status, answer in told["responses"].items():
                for kind, content in answer.get("content", {}).items():
                    yield (method, path, status), kind, content


def examples_of(content):
    return (
        [content["example"]]
        if "example" in content
        else [told["value"] for told in content.get("examples", {}).values()]
    )


def test_every_json_body_has_examples_and_they_fit_its_schema(document):
    count = 0
    for place, kind, content in bodies(document):
        if kind.endswith("json") and place[:2] not in WITHOUT:
            assert examples_of(content), (place, kind)
        for example in examples_of(content):
            if kind.endswith("json"):
                fits(document, content["schema"], example)
                count += 1
    assert count > 200


WITHOUT = {("get", "/v1/models/{model}"), ("get", "/v1/queue")}
"""Answers too long for an example: they describe their fields."""


def test_the_requests_that_are_shown_are_taken(document, client):
    files = {"image": png(), "mask": png(mode="L")}
    pictures = {name: client.post("/v1/uploads", files={"file": data}).json()["id"] for name, data in files.items()}
    batch = {"file": ("lines.jsonl", b'{"custom_id": "a"}')}
    lines = client.post("/v1/files", files=batch, data={"purpose": "batch"}).json()["id"]
    models = {
        "sample": "mnist-dcgan",
        "translate": "horse2zebra-cyclegan",
        "interpolate": "mnist-vae",
        "stylize": "paintings-fast-style",
        "dream": "medley-deepdream",
        "upscale": "sr-edsr",
        "inpaint": "facades-gated-conv",
    }
    tried = 0
    # tests.app.test_model_uploads and tests.app.test_keys_http ask these
    asked_elsewhere = ("/v1/models/{model}", "/v1/aliases/{name}", "/v1/keys")
    for (method, path, place), kind, content in bodies(document):
        if path in asked_elsewhere or (place, kind) != ("request", "application/json"):
            continue
        for example in examples_of(content):
            url = path.replace("{prediction_id}", f"shown-{tried}").replace(
                "{model}", models.get(path.split("/")[2], "")
            )
            asked = example | {name: f"upload:{id}" for name, id in pictures.items() if name in example}
            asked |= {"input_file_id": lines} if "input_file_id" in example else {}
            answer = client.request(
                method, url, json=asked, headers={"Accept": "application/json", "Prefer": "wait=20"}
            )
            assert answer.status_code in (200, 201), (path, answer.text)
            told = document["paths"][path][method]["responses"][str(answer.status_code)]["content"]
            fits(document, told["application/json"]["schema"], answer.json())
            tried += 1
    assert tried >= 10


def test_answers_fit_the_schemas_that_are_told(document, client):
    made = client.post("/v1/predictions", json={"model": "toy-dcgan"}, headers={"Prefer": "wait=20"}).json()
    names = {"prediction_id": made["id"], "model": "toy-dcgan", "index": 0, "format": "png"}
    names |= {"upload_id": "0" * 32, "name": "image-0.png", "batch_id": "batch_0"}
    file = {"file": ("lines.jsonl", b"{}")}
    names["file_id"] = client.post("/v1/files", files=file, data={"purpose": "batch"}).json()["id"]
    for path, methods in document["paths"].items():
        if "get" in methods and not path.endswith("/events"):
            answer = client.get(path.format(**names))
            told = methods["get"]["responses"][str(answer.status_code)]["content"]
            kind = answer.headers["content-type"].partition(";")[0]
            assert kind in told, path
            if kind.endswith("json"):
                fits(document, told[kind]["schema"], answer.json())


def test_every_route_that_takes_a_body_tells_what_may_be_wrong_with_it(document):
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            if "requestBody" in told:
                counted = set() if path.startswith(("/v1/models", "/v1/aliases", "/v1/keys")) else {"429"}
                assert {"400", "408", "413", "415", "422", "503"} | counted <= set(told["responses"]), (method, path)


def test_the_headers_that_are_heeded_are_told(document):
    told = {told["name"].lower() for told in document["paths"]["/v1/predictions"]["post"]["parameters"]}
    assert {"prefer", "cancel-after", "idempotency-key"} <= told


def test_headers_are_plain_strings_which_every_generator_of_clients_takes(document):
    for methods in document["paths"].values():
        for told in methods.values():
            for parameter in told.get("parameters", ()):
                if parameter["in"] == "header":
                    assert parameter["schema"]["type"] == "string", parameter


def test_the_document_is_the_same_for_every_process(easel, document):
    assert httpx.get(f"{easel.url}/openapi.json").json() == document


def shape(told):
    """A part of the document without what is said for people."""
    if isinstance(told, dict):
        texts = {name for name in ("description", "summary") if isinstance(told.get(name), str)}
        return {name: shape(part) for name, part in told.items() if name not in texts}
    return [shape(part) for part in told] if isinstance(told, list) else told


def test_the_document_has_the_shape_that_clients_were_made_for(document):
    """What a change of the API changes: `python -m tests.app.test_openapi` writes the new shape, for the reviewer."""
    told, kept = shape(document), json.loads(SHAPE.read_text())
    told["info"]["version"] = kept["info"]["version"]
    for path in told["paths"].keys() | kept["paths"].keys():
        assert told["paths"].get(path) == kept["paths"].get(path), path
    for name in told["components"]["schemas"].keys() | kept["components"]["schemas"].keys():
        assert told["components"]["schemas"].get(name) == kept["components"]["schemas"].get(name), name
    assert told == kept


if __name__ == "__main__":
    from app.main import create_app

    SHAPE.write_text(json.dumps(shape(create_app().openapi()), indent=1, sort_keys=True) + "\n")
