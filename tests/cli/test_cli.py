"""The command as its users meet it."""

import json
import re

import pytest
from typer.testing import CliRunner

from cli.common import models_that
from cli.main import app
from core.settings import get_settings
from tests.conftest import pixels_of, png


@pytest.fixture
def run(monkeypatch, easel, toy_zoo):
    """Runs a command against the shared Easel; its exit status, what it printed, and what it complained of."""

    def run(*words, **settings):
        get_settings.cache_clear()
        for name, value in {"server": easel.url, "models": toy_zoo, **settings}.items():
            monkeypatch.setenv(f"EASEL_{name.upper()}", str(value))
        ended = CliRunner().invoke(app, [str(word) for word in words])
        get_settings.cache_clear()
        return ended.exit_code, ended.stdout, ended.stderr

    return run


def test_it_tells_its_version(run):
    status, told, _ = run("--version")
    assert status == 0
    assert re.fullmatch(r"easel \d+\.\d+\.\d+\n", told)


@pytest.mark.parametrize(("name", "kind"), [("a/b/c.webp", "WEBP"), ("plain", "PNG"), ("photo.JPEG", "JPEG")])
def test_a_picture_goes_where_and_how_it_is_asked_for(run, tmp_path, name, kind):
    from PIL import Image

    status, told, _ = run("sample", "toy-dcgan", "--seed", 3, "-o", tmp_path / name)
    assert (status, told.replace("\n", "")) == (0, f"{tmp_path / name} (seed 3)")
    with Image.open(tmp_path / name) as picture:
        assert picture.format == kind


def test_a_format_that_is_not_made_is_told_before_anything_is(run, tmp_path):
    status, _, complaint = run("sample", "toy-dcgan", "-o", tmp_path / "out.tiff", server="http://127.0.0.1:1")
    assert status == 1
    assert "no .tiff is made, only .png, .jpg, .webp, .avif" in complaint
    assert not list(tmp_path.iterdir())


def test_programs_are_told_in_json(run, tmp_path):
    _, told, _ = run("sample", "toy-dcgan", "--seed", 3, "-o", tmp_path / "out.png", "--json")
    said = json.loads(told)
    assert (said["file"], said["seed"]) == (str(tmp_path / "out.png"), 3)
    assert said["prediction"].startswith("/v1/predictions/")
    assert "toy-dcgan" in [card["name"] for card in json.loads(run("models", "--json")[1])]


def test_a_picture_is_translated(run, tmp_path):
    (tmp_path / "in.png").write_bytes(png(40))
    status, _, _ = run("translate", "toy-cyclegan", tmp_path / "in.png", "-o", tmp_path / "out.png", "--fit", "contain")
    assert status == 0
    assert pixels_of((tmp_path / "out.png").read_bytes()).shape == (40, 40, 3)


def test_names_of_models_are_completed_by_what_they_can_do(monkeypatch, toy_zoo):
    monkeypatch.setenv("EASEL_MODELS", str(toy_zoo))
    get_settings.cache_clear()
    assert models_that("translate")("toy-c") == ["toy-cyclegan"]
    assert set(models_that()("toy-c")) > {"toy-cyclegan", "toy-cgan"}
    get_settings.cache_clear()


def test_a_folder_of_models_that_is_missing_is_told(run, tmp_path):
    status, told, complaint = run("models", models=tmp_path / "nowhere")
    assert status == 0
    assert "mnist-dcgan" in told
    assert complaint == f"EASEL_MODELS: there is no folder {tmp_path / 'nowhere'}\n"


def test_a_doctor_tells_all_but_secrets(run):
    given = {"redis_url": "redis://someone:hidden1@127.0.0.1:1/0", "webhook_secret": "whsec_" + "B" * 43 + "="}
    _, told, _ = run("doctor", "--json", **given)
    said = json.loads(told)
    assert said.keys() >= {"easel", "machine", "packages", "settings", "models", "redis", "api"}
    assert said["settings"]["redis_url"] == "redis://127.0.0.1:1/0"
    assert said["settings"]["webhook_secret"] == "set"
    assert "does not answer" in said["redis"]
    assert said["models"]["served"] > 40
    assert "hidden1" not in told
    assert "easel: " in run("doctor", **given)[1]


def test_data_that_is_there_is_not_fetched_again(run, tmp_path):
    (tmp_path / "mnist.zip").write_bytes(b"")
    assert run("data", "mnist", datasets=tmp_path)[1].replace("\n", "") == f"{tmp_path / 'mnist.zip'} is there already"


def test_what_cannot_be_fetched_is_told_with_how_to_do_it_by_hand(run, tmp_path, monkeypatch):
    def broken(*args):
        raise OSError("no network")

    monkeypatch.setattr("training.download.mnist", broken)
    status, _, complaint = run("data", "mnist", datasets=tmp_path)
    assert status == 1
    assert "no network" in complaint
    assert "docs/data.md" in complaint


def test_measuring_says_what_it_does_and_answers_programs(run, monkeypatch):
    said = []

    def measured(model, registry, only, told):
        told("reading mnist")
        said.append((model, list(only)))
        return registry["mnist-dcgan"].card

    monkeypatch.setattr("evaluation.evaluate.evaluate", measured)
    _, told, _ = run("evaluate", "mnist-dcgan", "--only", "samples", "--json")
    assert said == [("mnist-dcgan", ["samples"])]
    assert json.loads(told)[0].keys() >= {"name", "value", "count"}
