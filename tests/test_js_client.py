"""The npm package in `clients/js`, in Node and against the OpenAPI document."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "clients/js"


def test_it_works_in_node(easel):
    node = shutil.which("node")
    if node is None or int(re.findall(r"\d+", subprocess.check_output([node, "--version"], text=True))[0]) < 20:
        pytest.skip("there is no Node 20")
    environment = {**os.environ, "EASEL_SERVER": easel.url}
    ran = subprocess.run([node, "--test"], cwd=PACKAGE, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_its_types_have_the_fields_of_the_document(client):
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    types = (PACKAGE / "index.d.ts").read_text()
    for name, schema in {
        "Prediction": schemas["Prediction"],
        "OutputImage": schemas["OutputImage"],
        "OutputNumbers": schemas["OutputNumbers"],
        "Urls": schemas["Urls"],
        "Order": schemas["PredictionRequest"],
    }.items():
        (body,) = re.findall(rf"export interface {name} {{(.*?)\n}}", types, re.S)
        assert set(re.findall(r"^  (\w+)\??:", body, re.M)) == set(schema["properties"]), name
    (statuses,) = re.findall(r"export type Status = (.*);", types)
    assert set(re.findall(r'"(\w+)"', statuses)) == set(schemas["Status"]["enum"])
