"""`easel train` on pictures of one's own: from a folder to a model that is served, further, better, and on."""

import json

import pytest
import torch
from typer.testing import CliRunner

from cli.main import app
from core.settings import get_settings
from models import checkpoint
from models.card import Card
from tests.training.pictures import many, write
from training import presets, recipe, setting
from training.setting import Setting


@pytest.fixture(autouse=True)
def _quick(monkeypatch, tmp_path):
    """Networks of four channels, and one measurement of no time."""
    monkeypatch.chdir(tmp_path)
    config = presets._config

    def tiny(*given):
        found = config(*given)
        return {**found, **{name: 4 for name in ("width", "discriminator_width", "kernels") if name in found}}

    monkeypatch.setattr(presets, "_config", tiny)
    monkeypatch.setattr(setting, "_STEPS", 1)


def easel(*arguments):
    result = CliRunner().invoke(app, ["train", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_a_folder_becomes_a_model_with_card_sheet_and_recipe(tmp_path):
    path = write(tmp_path / "pets", {**many("{}.png", 30), "broken.png": b"\x89PNG\r\n\x1a\n no"})
    asked = ["--family", "dcgan", "--data", path, "--licence", "CC0", "--size", 16, "--minutes", 0.005]
    result = easel(*asked)
    assert result.exit_code == 0, result.output
    folder = tmp_path / "trained" / "pets-dcgan"
    card = Card.read(folder)
    assert (card.licence, card.data.licence, card.data.name, card.image.height) == ("CC0", "CC0", "pets", 16)
    assert "diversity" in {metric.name for metric in card.metrics}
    assert {each.name for each in folder.iterdir()} == {"card.json", "model.safetensors", "recipe.toml", "sheet.webp"}
    assert checkpoint.read(folder).sample(torch.randn(2, *card.latent)).shape == (2, 3, 16, 16)
    assert "left out: broken.png" in result.output and "are few" in result.output
    assert "chosen: " in result.output and "about" in result.output
    page = (tmp_path / "runs" / "pets-dcgan" / "progress.html").read_text()
    assert (
        f"samples/{card.training.steps:07d}.png" in page and "discriminator/adversarial" in page
    ) or "diversity" in page
    again = easel(*asked)
    assert again.exit_code == 0 and Card.read(folder).training.steps == card.training.steps
    longer = easel(*asked, "--steps", card.training.steps + 2)
    went_on = Card.read(folder).training.steps == card.training.steps + 2
    assert went_on or "learning rate has begun to fall" in longer.output


@pytest.mark.parametrize(
    ("family", "files", "said"),
    [
        ("pix2pix", many("{}.png", 12), "learns from pairs"),
        ("cyclegan", many("{}.png", 12), "two domains"),
        ("cgan", many("{}.png", 12), "classes apart"),
        ("gan-int-cls", many("{}.png", 12), "with texts"),
        ("dcgan", {**many("trainA/{}.png", 3), **many("trainB/{}.png", 3, start=9)}, "pairs or domains"),
        ("deepdream", many("{}.png", 12), "is not trained on pictures of one's own"),
        ("nothing", many("{}.png", 12), "unknown family"),
    ],
)
def test_a_family_says_which_pictures_it_learns_from(family, files, said, tmp_path):
    result = easel("--family", family, "--data", write(tmp_path / "own", files))
    assert result.exit_code == 1 and said in " ".join(result.output.split())


TRAINED = {
    "cyclegan": {**many("cat/{}.png", 12), **many("dog/{}.png", 12, start=20)},
    "pix2pix": {**many("A/{}.png", 12), **many("B/{}.png", 12, start=20)},
    "cgan": {**many("cat/{}.png", 12), **many("dog/{}.png", 12, start=20)},
    "vae": many("{}.png", 12, mode="L"),
}


@pytest.mark.parametrize("family", TRAINED)
def test_families_of_all_kinds_are_trained_on_ones_own(family, tmp_path):
    path = write(tmp_path / "own", TRAINED[family])
    result = easel("--family", family, "--data", path, "--size", 32, "--steps", 2)
    assert result.exit_code == 0, result.output
    card = Card.read(tmp_path / "trained" / f"own-{family}")
    assert card.data.source == "own pictures"
    if family == "cyclegan":
        assert card.domains == {"A": "cat", "B": "dog"}
    if family == "cgan":
        assert card.classes == ("cat", "dog")


def test_one_begins_with_a_model_of_ones_own_and_is_told_what_did_not_fit(tmp_path, monkeypatch):
    path = write(tmp_path / "own", many("{}.png", 12))
    assert easel("--family", "dcgan", "--data", path, "--size", 16, "--steps", 2).exit_code == 0
    monkeypatch.setenv("EASEL_MODELS", str(tmp_path / "trained"))
    get_settings.cache_clear()
    result = easel("--init-from", "own-dcgan", "--data", path, "--name", "next", "--steps", 1, "--size", 16)
    assert result.exit_code == 0, result.output
    first, then = (Card.read(tmp_path / "trained" / name) for name in ("own-dcgan", "next"))
    assert then.training.start == f"own-dcgan@{first.weights.sha256[:12]}" and then.config == first.config
    get_settings.cache_clear()


def test_a_recipe_is_read_as_it_was_written(tmp_path):
    for name in recipe.names():
        loaded = recipe.load(name)[0]
        (tmp_path / "again.toml").write_text(loaded.toml())
        assert recipe.load(str(tmp_path / "again.toml"))[0] == loaded
        assert recipe.fingerprint(loaded) == recipe.fingerprint(
            presets.for_steps(loaded, 7).model_copy(update={"ema": loaded.ema})
        )


def test_the_quickest_setting_is_taken_and_every_one_is_told(monkeypatch):
    times = {(1, "fp32", True): 4.0, (2, "fp32", True): 3.0, (2, "bf16", True): 1.0, (2, "bf16", False): 0.99}
    monkeypatch.setattr(setting.os, "cpu_count", lambda: 2)

    def seconds(make, each):
        return times[
            torch.get_num_threads() if each.threads == 0 else each.threads, each.precision, each.channels_last
        ], 0.5

    monkeypatch.setattr(setting, "_seconds", seconds)
    before = torch.get_num_threads()
    found = setting.choose(None, recipe.Budget(steps=1, batch=1, precision="auto"), torch.device("cpu"))
    assert found.setting == Setting(precision="bf16", threads=2) and len(found.told) == 4 and found.loaders == 1
    times[1, "fp32", False] = 3.0
    kept = setting.choose(None, recipe.Budget(steps=1, batch=1), torch.device("cpu"), threads=1)
    torch.set_num_threads(before)
    assert kept.setting == Setting(channels_last=False, threads=1)


def test_the_best_of_a_figure_is_kept(tmp_path):
    path = write(tmp_path / "own", TRAINED["pix2pix"])
    asked = ["--family", "pix2pix", "--data", path, "--size", 32, "--steps", 3]
    assert "no figure 'beauty'" in easel(*asked, "--best", "beauty", "--name", "one").output
    assert easel(*asked, "--best", "l1", "--name", "two").exit_code == 0
    best = json.loads((tmp_path / "runs" / "two" / "best.json").read_text())
    assert Card.read(tmp_path / "trained" / "two-best").training.steps == best["step"]
