"""Pictures in bulk: what a run makes, what it goes on with, and what cannot be made."""

import io
import os
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image

from core.object_store import ObjectStore
from jobs.prediction import Order, Output
from models.card import Task
from models.registry import Registry
from tests.conftest import pixels_of, png
from workers import bulk, results
from workers.bulk import DestinationFolder, DestinationStore, Wanted
from workers.engine import Engine
from workers.work import Work


@pytest.fixture(scope="module")
def engine(toy_zoo):
    return Engine(Registry([toy_zoo]), "cpu", 1)


def wanted(engine, model, task, **more):
    return Wanted(engine.registry[model].card, task, **more)


def served(engine, model, task, **values):
    """The pixels that a request for one image gets."""
    (computed,) = engine.run([engine.prepare(Work(Order(model=model, task=task, input=values)))])
    return pixels_of(results.encode(computed, datetime.now(UTC), datetime.now(UTC))[1].images[0])


def test_samples_are_what_single_requests_get_however_they_are_divided(engine, tmp_path):
    of = wanted(engine, "toy-dcgan", Task.SAMPLE)
    for part in range(3):
        made = bulk.make(engine, bulk.samples(of, 50, 7, (part, 3)), 16, DestinationFolder(tmp_path))
        assert not made.failed
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{seed:012d}.png" for seed in range(7, 57)]
    for seed in (7, 30, 56):
        drawn = pixels_of((tmp_path / f"{seed:012d}.png").read_bytes())
        assert np.array_equal(drawn, served(engine, "toy-dcgan", Task.SAMPLE, n=1, seed=seed))


def test_a_run_goes_on_where_it_was_stopped(engine, tmp_path):
    of = wanted(engine, "toy-dcgan", Task.SAMPLE)
    bulk.make(engine, bulk.samples(of, 40, 0), 16, DestinationFolder(tmp_path))
    gone = [tmp_path / f"{seed:012d}.png" for seed in (3, 38)]
    before = {path: path.read_bytes() for path in gone}
    for path in gone:
        path.unlink()
    tally = bulk.make(engine, bulk.samples(of, 40, 0), 16, DestinationFolder(tmp_path))
    assert (tally.made, tally.there) == (24, 16), "the chunks that lack an image"
    assert {path: path.read_bytes() for path in gone} == before


def test_what_goes_to_a_store_is_what_goes_to_a_folder_and_is_not_made_twice(engine, tmp_path):
    of = wanted(engine, "toy-dcgan", Task.SAMPLE)
    bulk.make(engine, bulk.samples(of, 20, 0), 16, DestinationFolder(tmp_path / "folder"))
    store = ObjectStore(f"file://{tmp_path}/store")
    assert bulk.make(engine, bulk.samples(of, 16, 0), 16, DestinationStore(store)).made == 16
    tally = bulk.make(engine, bulk.samples(of, 20, 0), 16, DestinationStore(store))
    assert (tally.made, tally.there) == (4, 16)
    files = {
        folder: {path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()}
        for folder in ("folder", "store")
    }
    assert len(files["store"]) == 20
    assert files["store"] == files["folder"]


def test_a_place_that_takes_nothing_ends_the_run(engine, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError):
        bulk.make(
            engine,
            bulk.samples(wanted(engine, "toy-dcgan", Task.SAMPLE), 4, 0),
            16,
            DestinationFolder(tmp_path / "file"),
        )


@pytest.mark.parametrize(
    ("model", "on_pictures", "offered"),
    [
        ("toy-dcgan", False, [Task.SAMPLE]),
        ("toy-dcgan", True, []),
        ("toy-cgan", False, [Task.CONDITIONAL]),
        ("toy-edsr", True, [Task.UPSCALE]),
        ("toy-edsr", False, []),
        ("toy-gated-conv", True, []),
        ("toy-munit", True, [Task.TRANSLATE]),
        ("toy-munit", False, []),
    ],
)
def test_what_can_be_done_in_bulk_follows_from_the_inputs(engine, model, on_pictures, offered):
    assert bulk.tasks(engine.registry[model].card, on_pictures) == offered


def test_a_folder_of_pictures_is_worked_on_and_what_is_none_is_told(engine, tmp_path):
    given = tmp_path / "given"
    (given / "deep").mkdir(parents=True)
    (given / "one.png").write_bytes(png(40))
    Image.new("RGB", (33, 47), "green").save(given / "deep/two.png")
    (given / "notes.txt").write_text("none")
    of = wanted(engine, "toy-edsr", Task.UPSCALE, values={"scale": 2}, output=Output(format="webp"))
    tally = bulk.make(engine, bulk.pictures(of, given), 16, DestinationFolder(tmp_path / "made"))
    assert list(tally.failed) == ["notes.txt"]
    assert "not a picture" in tally.failed["notes.txt"]
    sizes = {
        str(path.relative_to(tmp_path / "made")): pixels_of(path.read_bytes()).shape
        for path in (tmp_path / "made").rglob("*.webp")
    }
    assert sizes == {"one.webp": (80, 80, 3), "deep/two.webp": (94, 66, 3)}


@pytest.mark.parametrize("format", ["gif", "webp"])
def test_an_animation_comes_back_as_one_with_its_times(engine, tmp_path, format):
    given = tmp_path / "given"
    given.mkdir()
    shades = [Image.new("RGB", (32, 32), (shade, 255 - shade, 90)) for shade in (0, 120, 240)]
    shades[0].save(given / f"film.{format}", save_all=True, append_images=shades[1:], duration=[200, 500, 90], loop=0)
    of = wanted(engine, "toy-edsr", Task.UPSCALE, values={"scale": 2})
    tally = bulk.make(engine, bulk.pictures(of, given), 16, DestinationFolder(tmp_path / "made"))
    assert tally.failed == {}
    with Image.open(tmp_path / f"made/film.{format}") as film:
        assert (film.n_frames, film.size) == (3, (64, 64))
        times = []
        for frame in range(3):
            film.seek(frame)
            film.load()
            times.append(film.info["duration"])
    assert times == [200, 500, 90]


def test_an_input_that_the_model_does_not_take_is_told(engine, tmp_path):
    of = wanted(engine, "toy-cgan", Task.CONDITIONAL, values={"label": "eleven"})
    tally = bulk.make(engine, bulk.samples(of, 5, 0), 16, DestinationFolder(tmp_path))
    assert tally.made == 0
    assert ["label" in reason for reason in tally.failed.values()] == [True]


def test_the_command_makes_pictures_and_says_what_failed(toy_zoo, tmp_path):
    def easel(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "cli", "bulk", *map(str, arguments)],
            env={**os.environ, "EASEL_MODELS": str(toy_zoo), "EASEL_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=100,
        )

    done = easel("toy-cgan", "-n", 3, "-i", "label=7", "-o", tmp_path / "made", "--format", "jpg")
    assert (done.returncode, "3 made, 0 were there, 0 failed" in done.stdout) == (0, True), done.stderr
    assert Image.open(io.BytesIO((tmp_path / "made/000000000002.jpg").read_bytes())).format == "JPEG"
    for arguments, said in (
        (("toy-cgan", "-o", tmp_path), "either --images"),
        (("toy-none", "-n", 1, "-o", tmp_path), "no model 'toy-none'"),
        (("toy-edsr", "-n", 1, "-o", tmp_path), "toy-edsr does not make pictures of seeds in bulk"),
    ):
        refused = easel(*arguments)
        assert refused.returncode == 1
        assert said in refused.stderr
        assert "Traceback" not in refused.stderr
