"""Training: one trainer, every family, and a stopped run that ends where an unbroken one does."""

import io
import json
import shutil
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from evaluation import watching
from models import checkpoint
from models.card import SHEET_FILE, Card, Task
from models.nn.edges import edges
from models.nn.text import bags
from models.registry import Registry
from tasks import operations
from training import data, recipe
from training.data import DataSpec
from training.recipe import Budget, Recipe
from training.trainer import Trainer

SMALL = {"width": 4, "discriminator_width": 4, "discriminator_halvings": 1}
"""A translator and its discriminator."""

FAMILIES = {
    "dcgan": ("mnist", {"size": 16, "latent": 4, "width": 8}),
    "gan": ("mnist", {"size": 16, "latent": 4, "width": 8, "discriminator_width": 8, "kernels": 3}),
    "wgan": ("mnist", {"size": 16, "latent": 4, "width": 8, "turns": 2}),
    "wgan-gp": ("mnist", {"size": 16, "latent": 4, "width": 8, "turns": 2}),
    "ebgan": ("mnist", {"size": 16, "latent": 4, "width": 8}),
    "improved-gan": ("mnist", {"size": 16, "latent": 4, "width": 8, "kinds": 2, "smoothing": 0.1}),
    "cgan": ("mnist", {"size": 16, "latent": 4, "width": 8, "classes": 2}),
    "acgan": ("mnist", {"size": 16, "latent": 4, "width": 8, "classes": 2}),
    "infogan": ("mnist", {"size": 16, "noise": 4, "width": 8, "invariance": 1.0}),
    "bigan": ("mnist", {"size": 16, "latent": 4, "width": 8, "hidden": 8, "cycle": 0.1}),
    "ali": ("mnist", {"size": 16, "latent": 4, "width": 8, "hidden": 8, "network": "mlp"}),
    "vae-gan": ("mnist", {"size": 16, "latent": 4, "width": 8}),
    "vae": ("mnist", {"size": 16, "latent": 4, "width": 8}),
    "beta-vae": ("mnist", {"size": 16, "latent": 4, "width": 4, "network": "strided"}),
    "ae": ("mnist", {"size": 16, "latent": 4, "width": 8}),
    "pixelcnn": ("mnist", {"size": 16, "block": 2, "width": 8, "layers": 1}),
    "pixelrnn": ("mnist", {"size": 16, "block": 2, "width": 8, "layers": 1}),
    "glow": ("mnist", {"size": 16, "depth": 1, "width": 8}),
    "diffusion": ("mnist", {"size": 16, "widths": [32], "classes": 2}),
    "lapgan": ("mnist", {"sides": [8, 16], "channels": 1, "latent": 4, "hidden": 8, "width": 8}),
    "text-diffusion": ("emoji", {"size": 16, "channels": 3, "widths": [32], "embedding": 8}),
    "gan-int-cls": ("emoji", {"size": 16, "latent": 4, "width": 8, "embedding": 8, "told": 8}),
    "ss-gan": ("emoji", {"size": 16, "latent": 4, "style": 4, "width": 8}),
    "gaussian": ("mnist", {"size": 16, "rank": 2}),
    "gmm": ("mnist", {"size": 16, "rank": 2, "components": 2}),
    "classifier": ("mnist", {"width": 8, "classes": 2}),
    "pix2pix": ("facades", {"size": 16, "width": 8, "direction": "BtoA", "discriminator_halvings": 1}),
    "unet-l1": ("facades", {"size": 16, "width": 8, "direction": "BtoA"}),
    "bicyclegan": ("facades", {"size": 16, "direction": "BtoA", "encoder_width": 4, "scales": 1, **SMALL}),
    "cyclegan": ("horse2zebra", {"blocks": 1, **SMALL}),
    "dualgan": ("horse2zebra", {"size": 16, "residual": True, **SMALL}),
    "discogan": ("horse2zebra", SMALL),
    "unit": ("horse2zebra", {"size": 16, "blocks": 1, "scales": 1, **SMALL}),
    "munit": ("horse2zebra", {"blocks": 1, "scales": 2, **SMALL}),
    "drit": ("horse2zebra", {"blocks": 1, "scales": 1, **SMALL}),
    "context-encoder": ("facades", {"size": 32, "width": 8, "discriminator_width": 4}),
    "gated-conv": ("facades", {"dilations": [1, 2], **SMALL}),
    "srcnn": ("sr", {"width": 4}),
    "edsr": ("sr", {"width": 4, "blocks": 1}),
    "srgan": ("sr", {"width": 4, "blocks": 1, "discriminator_width": 4, "discriminator_halvings": 1}),
    "stargan": ("mnist", {"size": 16, "channels": 1, "classes": 2, "width": 4, "blocks": 1, "critic_halvings": 2}),
}

HOLES = {"context-encoder": "centre", "gated-conv": "free-form"}
"""What is hidden of the pictures that these families are trained on."""
EMOJI = {"train": ("1f600", "1f601", "1f602", "1f603"), "test": ("1f60a", "1f60b", "1f60c")}
"""The code points of each split."""
SHIPPED_DISCRIMINATORS = {"wgan", "wgan-gp", "ebgan", "improved-gan"}
"""Of these families, the discriminator has something to say of any picture."""


@pytest.fixture(autouse=True, scope="module")
def datasets(tmp_path_factory):
    """Small archives in the three layouts, and one with captions."""
    folder = tmp_path_factory.mktemp("datasets")
    random = np.random.default_rng(0)

    def picture(size, mode="RGB"):
        width, height = size
        shape = (height, width) if mode == "L" else (height, width, 3)
        buffer = io.BytesIO()
        Image.fromarray(random.integers(0, 256, shape, np.uint8)).save(buffer, "PNG")
        return buffer.getvalue()

    layouts = {
        "mnist": [
            (f"{split}/{digit}/{i}.png", (16, 16), "L")
            for split in ("train", "test")
            for digit in "01"
            for i in range(8)
        ],
        "facades": [(f"{split}/{i}.jpg", (32, 16), "RGB") for split in ("train", "val") for i in range(8)],
        "horse2zebra": [
            (f"{split}{d}/{i}.jpg", (16, 16), "RGB") for split in ("train", "test") for d in "AB" for i in range(8)
        ],
    }
    layouts["emoji"] = [
        (f"{split}/{vendor}/{name}.png", (16, 16), "RGB")
        for split, names in EMOJI.items()
        for vendor, missing in (("left", "1f60a"), ("right", "1f60b"), ("third", ""))
        for name in names
        if name != missing
    ]
    layouts["sr"] = [
        (f"{split}/{name}/{i}.png", (36 + i, 40), "RGB")
        for split, name in (("train", "T91"), ("test", "Set5"))
        for i in range(8)
    ]
    layouts["faces"] = [(f"train/faces/{i}.jpg", (16, 16), "RGB") for i in range(3)]
    for name, members in layouts.items():
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as opened:
            for path, size, mode in members:
                opened.writestr(path, picture(size, mode))
            if name == "faces":
                opened.writestr(
                    "train/attributes.csv", "image_id,Hat,Smile,Bangs\n2.jpg,1,1,0\n0.jpg,0,1,1\n1.jpg,0,0,1\n"
                )
            for split, names in EMOJI.items() if name == "emoji" else ():
                rows = [{"file_name": f"left/{stem}.png", "text": f"{split} picture {stem}"} for stem in names]
                opened.writestr(f"{split}/metadata.jsonl", "\n".join(map(json.dumps, rows)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EASEL_DATASETS", str(folder))
        yield


def toy(family, steps=4, **budget):
    name, config = FAMILIES[family]
    return Recipe(
        name=f"toy-{family}",
        summary="toy",
        licence="none",
        family=family,
        config=config,
        data=DataSpec(
            set=name,
            held_out="val" if name == "facades" else "test",
            size={"discogan": 32, "context-encoder": 32, "srcnn": 8, "edsr": 8, "srgan": 8}.get(family, 16),
            scales=(4,) if name == "sr" else (),
            only="a" if family in HOLES else "",
            masks=HOLES.get(family),
            flip=name not in ("mnist", "emoji"),
            captions=family in ("gan-int-cls", "text-diffusion"),
            edges=family == "ss-gan",
            known=4 if family == "improved-gan" else 0,
        ),
        budget=Budget(**{"steps": steps, "batch": 4, "sheet_every": 2, **budget}),
    )


def finish(trainer):
    for losses in trainer.train():
        assert all(np.isfinite(value) for value in losses.values())
    return trainer


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_trains_exports_and_is_read_back(family, tmp_path):
    trainer = finish(Trainer(toy(family), "hash", tmp_path / "run", torch.device("cpu")))
    card = trainer.export(tmp_path / "zoo")
    model = checkpoint.read(tmp_path / "zoo" / card.name)
    assert card == Card.read(tmp_path / "zoo" / card.name)
    assert (card.training.steps, card.training.images, card.data.count) == (
        4,
        16,
        {"mnist": 16, "emoji": 12}.get(card.data.name, 8),
    )
    players = {
        name.split(".")[0] for name, _ in model.named_parameters() if name.startswith(("discriminator", "judge"))
    }
    assert players == ({"discriminator"} if family in SHIPPED_DISCRIMINATORS else set())
    assert (tmp_path / "zoo" / card.name / SHEET_FILE).exists() == (family != "classifier")
    sheets = sorted(path.name for path in (tmp_path / "run" / "samples").iterdir())
    assert sheets == ([] if family == "classifier" else ["0000002.png", "0000004.png"])


@pytest.mark.parametrize("family", ["cgan", "vae", "pix2pix", "gmm", "glow", "diffusion", "gated-conv"])
def test_a_resumed_run_ends_where_an_unbroken_one_does(family, tmp_path):
    whole = finish(Trainer(toy(family), "hash", tmp_path / "whole", torch.device("cpu")))
    broken = Trainer(toy(family), "hash", tmp_path / "broken", torch.device("cpu"))
    for _ in broken.train():
        if broken.step == 3:
            break
    broken.save()
    resumed = finish(Trainer(toy(family), "hash", tmp_path / "broken", torch.device("cpu")))
    for kind in ("model", "average"):
        left, right = (
            trainer.model.state_dict() if kind == "model" else trainer.average.model.state_dict()
            for trainer in (whole, resumed)
        )
        assert left.keys() == right.keys()
        for name in left:
            assert torch.equal(left[name], right[name]), f"{kind}: {name}"


def test_a_run_of_another_recipe_is_not_resumed(tmp_path):
    finish(Trainer(toy("vae"), "hash", tmp_path, torch.device("cpu")))
    other = toy("vae").model_copy(update={"seed": 1})
    with pytest.raises(ValueError, match="another version"):
        Trainer(other, "other", tmp_path, torch.device("cpu"))


def test_a_start_is_what_is_shipped_and_the_card_says_so_after_a_stop_too(tmp_path, monkeypatch):
    shipped = finish(Trainer(toy("dcgan"), "hash", tmp_path / "first", torch.device("cpu"))).export(tmp_path / "zoo")
    monkeypatch.setattr("training.trainer.SHIPPED", tmp_path / "zoo")
    again = toy("dcgan").model_copy(update={"name": "again", "init_from": shipped.name})
    begun = Trainer(again, "hash", tmp_path / "again", torch.device("cpu"))
    known = dict(checkpoint.read(tmp_path / "zoo" / shipped.name).named_parameters())
    for name, parameter in begun.average.model.named_parameters():
        assert torch.equal(parameter, known[name])
    begun.save()
    shutil.rmtree(tmp_path / "zoo" / shipped.name)
    card = Trainer(again, "hash", tmp_path / "again", torch.device("cpu")).export(tmp_path / "zoo")
    assert card.training.start == f"{shipped.name}@{shipped.weights.sha256[:12]}"


def test_the_log_has_a_line_per_hundred_steps(tmp_path):
    finish(Trainer(toy("dcgan", steps=100, sheet_every=100), "hash", tmp_path, torch.device("cpu")))
    (line,) = (tmp_path / "log.jsonl").read_text().splitlines()
    for player in ("discriminator", "generator"):
        assert {"step", "seconds", f"{player}/adversarial", f"{player}/gradient_norm"} <= set(json.loads(line))


def test_the_log_tells_how_many_kinds_of_image_a_game_makes(tmp_path, monkeypatch):
    class Judge:
        channels = 1

        def classify(self, images):
            return torch.eye(10)[torch.arange(len(images)) % 3]

    monkeypatch.setattr(watching, "judge_of", lambda data_set, registry: Judge() if data_set == "mnist" else None)
    watch = watching.watch("mnist", Registry([]))
    finish(Trainer(toy("dcgan"), "hash", tmp_path / "game", torch.device("cpu"), watch=watch))
    lines = [json.loads(line) for line in (tmp_path / "game" / "log.jsonl").read_text().splitlines()]
    assert [(line["step"], line["modes"]) for line in lines] == [(2, 3), (4, 3)]
    assert lines[0]["mode_divergence"] == pytest.approx(np.log(10 / 3), abs=1e-3)
    finish(Trainer(toy("vae"), "hash", tmp_path / "no-game", torch.device("cpu"), watch=watch))
    lines = [json.loads(line) for line in (tmp_path / "no-game" / "log.jsonl").read_text().splitlines()]
    assert [set(line) for line in lines] == 2 * [{"step", "seconds", "held_out"}]


def test_only_the_player_whose_turn_it_is_moves(tmp_path):
    trainer = Trainer(toy("dcgan"), "hash", tmp_path, torch.device("cpu"))
    before = {name: value.clone() for name, value in trainer.model.named_parameters()}
    batch = trainer.source.batch(4, 0)
    player = trainer.players[0]
    sum(trainer.model.loss(player.name, batch).values()).backward(inputs=player.parameters())
    trainer.optimisers[player.name].step()
    moved = {
        name.split(".")[0] for name, value in trainer.model.named_parameters() if not torch.equal(value, before[name])
    }
    assert moved == {"discriminator"}


def test_pairs_are_cropped_and_mirrored_together_and_domains_are_not():
    spec = DataSpec(set="facades", held_out="val", size=16, resize=20, flip=True)
    source = data.load(spec)
    source.fields["b"] = source.fields["a"].clone()
    batch = source.batch(16, 0)
    assert torch.equal(batch["a"], batch["b"])
    unpaired = data.load(DataSpec(set="horse2zebra", held_out="test", size=16))
    unpaired.fields["b"] = unpaired.fields["a"].clone()
    batch = unpaired.batch(16, 0)
    assert not torch.equal(batch["a"], batch["b"])


def test_a_batch_has_a_caption_of_each_of_its_pictures():
    source = data.load(DataSpec(set="emoji", held_out="test", size=16, captions=True))
    batch = source.batch(16, 0)
    for image, text in zip(batch["images"], batch["text"], strict=True):
        (place,) = [at for at, picture in enumerate(source.all()["images"]) if torch.equal(picture, image)]
        told = [bags([caption])[0] for caption in source.captions.of(source.names[place])]
        assert any(torch.equal(text, one) for one in told)


def test_one_side_of_pairs_is_a_set_of_its_own():
    both = data.load(DataSpec(set="facades", held_out="val", size=16))
    for side in ("a", "b"):
        one = data.load(DataSpec(set="facades", held_out="val", size=16, only=side))
        assert not one.paired and list(one.fields) == ["images"]
        assert torch.equal(one.fields["images"], both.fields[side])


def test_a_batch_hides_something_else_of_each_picture_by_its_seed():
    source = data.load(DataSpec(set="facades", held_out="val", size=16, only="a", masks="free-form"))
    batch, again = source.batch(4, 0), source.batch(4, 0)
    assert torch.equal(batch["mask"], again["mask"])
    assert len({mask.numpy().tobytes() for mask in batch["mask"]}) == 4
    assert not torch.equal(batch["mask"], source.batch(4, 1)["mask"])
    assert source.spec.evaluation().masks == "free-form"


def test_a_pair_of_a_picture_and_its_edges_stays_together():
    source = data.load(DataSpec(set="emoji", held_out="test", size=16, edges=True))
    assert source.paired
    batch = source.batch(4, 0)
    assert torch.allclose(batch["a"], edges(batch["b"]).expand_as(batch["a"]), atol=0.01)


def test_snapshots_are_models_of_their_own(tmp_path):
    trainer = Trainer(toy("dcgan"), "hash", tmp_path / "run", torch.device("cpu"))
    for _ in trainer.train():
        trainer.export(tmp_path / "zoo", f"toy-dcgan-step-{trainer.step}")
    early, late = (Card.read(tmp_path / "zoo" / f"toy-dcgan-step-{step}") for step in (1, 4))
    assert (early.name, early.training.steps, late.training.steps) == ("toy-dcgan-step-1", 1, 4)
    assert early.weights.sha256 != late.weights.sha256


def test_batches_are_drawn_by_their_seed():
    source = data.load(DataSpec(set="mnist", held_out="test", size=16, shift=1))
    assert torch.equal(source.batch(4, 1)["images"], source.batch(4, 1)["images"])
    assert not torch.equal(source.batch(4, 1)["images"], source.batch(4, 2)["images"])
    assert source.batch(4, 1)["images"].shape == (4, 1, 16, 16)


def test_few_labels_are_known_and_no_others_are_told():
    source = data.load(DataSpec(set="mnist", held_out="test", size=16, known=4))
    everything = data.load(DataSpec(set="mnist", held_out="test", size=16)).all()
    batches = [source.batch(8, seed) for seed in range(20)]
    seen = {bytes(image.numpy().tobytes()) for batch in batches for image in batch["known"]}
    assert len(seen) == 4
    for image, label in zip(batches[0]["known"], batches[0]["labels"], strict=True):
        (place,) = [at for at, other in enumerate(everything["images"]) if torch.equal(other, image)]
        assert everything["labels"][place] == label
    assert sorted(set(torch.cat([batch["labels"] for batch in batches]).tolist())) == [0, 1]


def test_what_learned_to_read_says_how_probable_each_class_is(tmp_path):
    trainer = finish(Trainer(toy("improved-gan"), "hash", tmp_path / "run", torch.device("cpu")))
    card = trainer.export(tmp_path / "zoo")
    reads = operations.OPERATIONS[Task.CLASSIFY]
    model = checkpoint.read(tmp_path / "zoo" / card.name)
    assert reads.columns(model, card) == ("0", "1")
    told = reads.apply(model, {"images": trainer.source.batch(4, 0)["images"]})
    assert told.shape == (4, 2)
    assert torch.allclose(told.sum(1), torch.ones(4))


def test_stacked_digits_are_labelled_by_their_channels():
    digits = data.load(DataSpec(set="mnist", held_out="test", size=16)).all()
    stacked = data.load(DataSpec(set="stacked-mnist", held_out="test", size=16))
    assert (stacked.classes[0], stacked.classes[-1], len(stacked.classes)) == ("000", "111", 8)
    everything = stacked.all()
    assert everything["images"].shape == (16, 3, 16, 16)
    for image, label in zip(everything["images"], everything["labels"], strict=True):
        places = [int((digits["images"][:, 0] == channel).all((1, 2)).nonzero()) for channel in image]
        assert stacked.classes[label] == "".join(str(int(digits["labels"][place])) for place in places)


def test_missing_data_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("EASEL_DATASETS", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="EASEL_DATASETS"):
        data.load(DataSpec(set="mnist", held_out="test", size=16))


@pytest.mark.parametrize("name", recipe.names())
def test_every_shipped_recipe_is_valid_and_named_like_its_file(name):
    loaded, digest = recipe.load(name)
    assert loaded.name == name
    assert len(digest) == 64


def test_an_unknown_recipe_names_those_there_are():
    with pytest.raises(FileNotFoundError, match="mnist-dcgan"):
        recipe.load("nope")


def test_the_pairs_of_domains_are_known_only_of_the_held_out_split():
    spec = DataSpec(set="emoji", held_out="test", size=16, domains=("left", "right"))
    train, held_out = data.load(spec), data.load(spec.evaluation())
    assert not train.paired and train.names == () and train.labels is None
    assert len(train.fields["a"]) == len(train.fields["b"]) == 4
    assert held_out.paired and held_out.names == ("1f60c",)
    labelled = data.load(DataSpec(set="emoji", split="test", held_out="test", size=16))
    drawn = [row for row, name in enumerate(labelled.names) if name == "1f60c"]
    for field, row in zip("ab", drawn, strict=False):
        assert torch.equal(held_out.fields[field][0], labelled.fields["images"][row])
    assert data.load(spec.model_copy(update={"pairs": True})).paired


def test_attributes_are_read_by_the_names_of_the_pictures():
    source = data.load(DataSpec(set="faces", held_out="test", size=16, attributes=("Smile", "Hat")))
    assert source.classes == ("Smile", "Hat")
    assert source.labels.tolist() == [[1, 0], [0, 0], [1, 1]]
