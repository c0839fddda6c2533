"""`easel train` on pictures of one's own: from a folder to a model that is served, further, better, and on."""

import json
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from cli.main import app
from core.settings import get_settings
from models import checkpoint
from models.card import Card
from models.families import cycle
from models.model import build
from models.registry import Registry
from tests.training.pictures import many, write
from tests.training.quick import be_quick
from training import data, presets, recipe, setting
from training.datasets.spec import DataSpec
from training.listeners import Sheet, Signs
from training.loader import Batches
from training.presets import Wish
from training.setting import Setting
from training.start import start_with
from training.trainer import Trainer


@pytest.fixture(autouse=True)
def _quick(monkeypatch, tmp_path):
    """Networks of four channels, and one measurement of no time."""
    monkeypatch.chdir(tmp_path)
    be_quick(monkeypatch)


def easel(*arguments):
    result = CliRunner().invoke(app, ["train", "--threads", "1", *map(str, arguments)])
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
    assert found.setting == Setting(precision="bf16", threads=2, loaders=1) and len(found.told) == 4
    times[1, "fp32", False] = 3.0
    kept = setting.choose(None, recipe.Budget(steps=1, batch=1), torch.device("cpu"), threads=1)
    torch.set_num_threads(before)
    assert kept.setting == Setting(channels_last=False, threads=1, loaders=1)


def test_the_best_of_a_figure_is_kept(tmp_path):
    path = write(tmp_path / "own", TRAINED["pix2pix"])
    asked = ["--family", "pix2pix", "--data", path, "--size", 32, "--steps", 3]
    assert "no figure 'beauty'" in easel(*asked, "--best", "beauty", "--name", "one").output
    assert easel(*asked, "--best", "l1", "--name", "two").exit_code == 0
    best = json.loads((tmp_path / "runs" / "two" / "best.json").read_text())
    assert Card.read(tmp_path / "trained" / "two-best").training.steps == best["step"]


def test_an_imported_cyclegan_is_trained_on(tmp_path):
    """With discriminators that begin anew; one of a single direction is not."""
    net = {"network": "resnet", "width": 4, "blocks": 1, "norm": "instance"}
    model = build("imported-cyclegan", {"a_to_b": net, "b_to_a": net})
    model.prepare_training()
    batch = {name: torch.rand(2, 3, 32, 32) * 2 - 1 for name in "ab"}
    for player in model.players():
        sum(model.loss(player.name, batch).values()).backward(inputs=player.parameters())
        assert all(parameter.grad is not None for parameter in player.parameters())
    with pytest.raises(ValueError, match="both of its generators"):
        build("imported-cyclegan", {"a_to_b": net}).prepare_training()


def test_a_cyclegans_discriminators_see_all_images_augmented(monkeypatch):
    seen = []
    monkeypatch.setattr(cycle, "augmented", lambda images: seen.append(images) or images)
    for augment, times in ((False, 0), (True, 6)):
        model = build("cyclegan", {"width": 4, "blocks": 1, "discriminator_width": 4, "augment": augment})
        model.prepare_training()
        for player in model.players():
            model.loss(player.name, {name: torch.zeros(1, 3, 32, 32) for name in "ab"})
        assert len(seen) == times


def test_a_start_says_what_begins_anew():
    trained, other = (
        nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)),
        nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(2, 4, 1)),
    )
    (left,) = start_with(other, trained)
    assert "1 begins anew" in left and torch.equal(other[0].weight, trained[0].weight)


def test_signs_of_a_collapse_are_said_once_in_words():
    said = []
    signs = Signs(said.append)
    trainer = SimpleNamespace(players=(1, 2), step=100)
    signs.losses(trainer, {"generator/gradient_norm": 3.0})
    trainer.step = 400
    for _ in range(2):
        signs.losses(trainer, {"generator/gradient_norm": 0.05})
        signs.sheet(trainer, Sheet(None, {"diversity": 0.2}))
    assert len(said) == 2 and "faded" in said[0] and "20% as much" in said[1]


def test_a_larger_budget_goes_on_where_the_learning_rate_allows_it(tmp_path):
    path = write(tmp_path / "own", many("{}.png", 12))
    made = presets.recipe_for(Wish(path, "vae", size=16), gpu=False)
    made = made.model_copy(update={"optimiser": recipe.Optimiser(), "budget": recipe.Budget(steps=2, batch=2)})
    for steps in (2, 4):
        trainer = Trainer(made, str(steps), tmp_path / "run", torch.device("cpu"), steps)
        assert len(list(trainer.train())) == 2
    falling = made.model_copy(update={"optimiser": recipe.Optimiser(decay="linear")})
    list(Trainer(falling, "0", tmp_path / "falling", torch.device("cpu")).train())
    with pytest.raises(ValueError, match="begun to fall"):
        Trainer(falling, "0", tmp_path / "falling", torch.device("cpu"), 4)


def test_batches_that_are_drawn_ahead_are_those_that_are_not(tmp_path):
    source = data.load(DataSpec(path=write(tmp_path / "own", many("{}.png", 12)), size=16, flip=True))
    drawn = [Batches(source, 4, iter((5, 3, 8)), slice(0, 2), processes) for processes in (0, 1)]
    for seed in (5, 3, 8):
        here, ahead = (each.next()["images"] for each in drawn)
        assert torch.equal(here, ahead) and torch.equal(here, source.batch(4, seed)["images"][:2])


def test_a_model_is_put_in_place_at_once(tmp_path, monkeypatch):
    """Who looks at the folder of models sees the old card with the old weights, or the new with the new."""
    made = presets.recipe_for(Wish(write(tmp_path / "own", many("{}.png", 12)), "vae", size=16), gpu=False)
    trainer = Trainer(made, "0", tmp_path / "run", torch.device("cpu"))
    first = trainer.export(tmp_path / "zoo")
    next(trainer.train())
    written = Card.write

    def looked(card, folder):
        assert [entry.card for entry in Registry([tmp_path / "zoo"])] == [first]
        written(card, folder)
        assert [entry.card for entry in Registry([tmp_path / "zoo"])] == [first]

    monkeypatch.setattr(Card, "write", looked)
    second = trainer.export(tmp_path / "zoo")
    assert [entry.card for entry in Registry([tmp_path / "zoo"])] == [second] != [first]
    assert checkpoint.read(tmp_path / "zoo" / second.name) is not None
