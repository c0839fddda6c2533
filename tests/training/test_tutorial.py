"""docs/own-pictures.md, every command as it stands there, with small networks and a budget of two steps."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from core.settings import get_settings
from models.card import Card
from tests.training.pictures import many, zipped
from tests.training.quick import be_quick

TEXT = (Path(__file__).parents[2] / "docs" / "own-pictures.md").read_text()
IMPATIENT = ["--steps", "2", "--size", "32", "--threads", "1"]
"""In place of `--minutes` and its number."""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with archives of a few pictures, networks of four channels, and a measurement of one step."""
    files = {}
    for vendor, start in (("noto", 0), ("twemoji", 100)):
        files |= many(f"train/{vendor}/1f6{{:02}}.png", 12, start=start, mode="RGBA")
    zipped(tmp_path / "emoji.zip", files)
    be_quick(monkeypatch)
    monkeypatch.setenv("EASEL_DATASETS", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")  # tables are cut to the width
    monkeypatch.chdir(tmp_path)
    return tmp_path


def easel(line, monkeypatch):
    """Runs a line such as `NAME=value easel train …` in this process; returns what it prints."""
    words = shlex.split(line)
    with monkeypatch.context() as patch:
        while "=" in words[0]:
            patch.setenv(*words.pop(0).split("=", 1))
        assert words.pop(0) == "easel"
        if "--minutes" in words:
            at = words.index("--minutes")
            words[at : at + 2] = IMPATIENT
        get_settings.cache_clear()
        result = CliRunner().invoke(app, words)
    get_settings.cache_clear()
    assert result.exit_code == 0, (line, result.output, result.exception)
    return result.output


def test_every_command_of_the_tutorial_runs(place, monkeypatch):
    cut_out, *blocks = re.findall(r"```sh\n(.*?)```", TEXT, re.S)
    subprocess.run(["bash", "-e"], input=cut_out, text=True, check=True)
    told = [easel(line, monkeypatch) for block in blocks for line in block.splitlines()]
    assert len(told) == 6
    trained = {path.name for path in (place / "trained").glob("*-*")}
    assert trained == {"noto-dcgan", "noto-dcgan-longer", "pictograms-cyclegan"}
    assert trained <= set(told[-1].split())
    assert Card.read(place / "trained" / "pictograms-cyclegan").domains == {"A": "noto", "B": "twemoji"}
    assert (place / "pictograms-sheet.png").is_file()
