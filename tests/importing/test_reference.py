"""Checkpoints of the reference code become models that answer what the original networks do."""

import contextlib
import copy
import pickle
import shutil
from collections import OrderedDict

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn.utils import parametrizations, spectral_norm
from typer.testing import CliRunner

from cli.main import app
from importing import layouts
from importing.errors import NotImportable
from importing.importer import import_files
from importing.layouts.layout import ImportSettings
from importing.states import candidates
from jobs.prediction import Order
from models import checkpoint, noise
from models.card import Card, Task
from models.noise import Stream
from models.registry import Registry
from tasks import compilation
from tasks.operation import Rows, to_tensor
from tasks.operations import OPERATIONS
from tests import reference
from tests.reference import trained
from workers.engine import Engine
from workers.work import Work

EXACT = 1e-5
"""Per value in [-1, 1]; what is asked for is 1e-4."""


def imported(folder, network=None, state=None, settings=None, family="pix2pix"):
    """A network, or a state dict, saved and imported."""
    torch.save(network.state_dict() if state is None else state, folder / "latest_net_G.pth")
    settings = settings or ImportSettings(size=32, statistics="stored")
    card = import_files("mine", family, {"AtoB": folder / "latest_net_G.pth"}, settings, folder / "zoo")
    return checkpoint.read(folder / "zoo" / "mine"), card


@torch.inference_mode()
def apart(model, original, direction="AtoB", channels=3) -> float:
    """The largest difference between the model's answers and the original network's."""
    pictures = torch.rand(2, channels, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    answers = original(pictures)
    assert answers.std() > 0.05, "too flat to tell networks apart"
    return (model.translate(pictures, direction) - answers).abs().max().item()


@pytest.mark.parametrize("padding", ["reflect", "replicate", "zero"])
@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_a_resnet_answers_as_it_did(tmp_path, norm, dropout, padding):
    original = trained(reference.ResNet(norm=norm, dropout=dropout, padding=padding))
    padded = "replicate" if padding == "replicate" else "reflect"
    settings = ImportSettings(size=32, padding=padded, statistics="stored")
    model, card = imported(tmp_path, original, settings=settings)
    assert apart(model, original) < EXACT
    assert "a ResNet of 2 blocks (resnet_2blocks), width 4" in card.imported.inferred


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize("dropout", [False, True])
def test_a_unet_answers_as_it_did(tmp_path, norm, dropout):
    original = trained(reference.UNet(norm=norm, dropout=dropout))
    model, card = imported(tmp_path, original)
    assert apart(model, original) < EXACT
    assert "a U-Net of 5 halvings (unet_32), width 4" in card.imported.inferred


@pytest.mark.parametrize(("halvings", "size"), [(7, 128), (8, 256)])
def test_the_size_of_a_unet_is_inferred_and_told_as_an_assumption(tmp_path, halvings, size):
    _, card = imported(tmp_path, reference.UNet(halvings, width=1), settings=ImportSettings())
    assert (card.image.width, card.image.height) == (size, size)
    assert card.imported.assumed[1:] == (f"pictures of {size} x {size} pixels, as is usual for such a network",)


@pytest.mark.parametrize(("blocks", "size"), [(6, 128), (9, 256)])
def test_so_is_that_of_a_resnet(tmp_path, blocks, size):
    _, card = imported(tmp_path, reference.ResNet(blocks, width=1), settings=ImportSettings())
    assert card.image.width == size


@pytest.mark.parametrize("network", [reference.ResNet, reference.UNet])
def test_the_running_statistics_of_instance_norm_are_left_out(tmp_path, network):
    """Early versions of torch saved them, and the reference code ignores them."""
    original = trained(network(norm="instance"))
    like = trained(network(norm="batch"), seed=5).state_dict()
    state = original.state_dict() | {
        name: value for name, value in like.items() if name.endswith(("running_mean", "running_var"))
    }
    assert len(state) > len(original.state_dict())
    model, card = imported(tmp_path, state=state)
    assert apart(model, original) < EXACT
    assert any("running statistics are left out" in told for told in card.imported.inferred)


@pytest.mark.parametrize("network", [reference.ResNet, reference.UNet])
def test_batch_norm_goes_by_each_picture_as_the_reference_tests_do(tmp_path, network):
    original = trained(network(norm="batch", dropout=False))
    model, card = imported(tmp_path, original, settings=ImportSettings(size=32))
    assert any("as in test.py without --eval (--statistics stored" in told for told in card.imported.inferred)
    pictures = torch.rand(2, 3, 32, 32) * 2 - 1
    with torch.inference_mode():
        alone = torch.cat([original.train()(picture[None]) for picture in pictures])
        assert (model.translate(pictures, "AtoB") - alone).abs().max() < EXACT


class Fed(nn.Module):
    """Dropout by masks that are drawn elsewhere."""

    def __init__(self, stream):
        super().__init__()
        self.stream = stream

    def forward(self, x):
        return x * self.stream.dropout(x.shape[1:], 0.5)


def with_masks(network, stream):
    """The original as test.py runs it, with the masks of a stream in place of torch's, and how many layers drop."""
    fed, count = copy.deepcopy(network).train(), 0
    for parent in list(fed.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Dropout):
                setattr(parent, name, Fed(stream))
                count += 1
    return fed, count


@pytest.mark.parametrize(("halvings", "layers"), [(6, 1), (7, 2), (8, 3), (9, 4)])
@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_a_pix2pix_drops_out_as_the_reference_tests_do(tmp_path, halvings, layers, norm):
    original = trained(reference.UNet(halvings, width=2, norm=norm))
    model, card = imported(tmp_path, original, settings=ImportSettings())
    assert card.family == "imported-pix2pix-dropout"
    side, latents = 2**halvings, noise.normal([1, 2], card.latent)
    pictures = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.inference_mode():
        answers = model.translate(pictures, "AtoB", latents)
        for row in range(2):
            fed, count = with_masks(original, Stream(latents[row : row + 1]))
            assert count == layers
            assert (answers[row] - fed(pictures[row : row + 1])[0]).abs().max() < EXACT


@pytest.mark.parametrize("padding", ["reflect", "replicate", "zero"])
@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
@pytest.mark.parametrize("family", ["pix2pix", "cyclegan"])
def test_the_blocks_of_a_resnet_drop_out_as_the_reference_tests_do(tmp_path, norm, padding, family):
    original = trained(reference.ResNet(3, norm=norm, dropout=True, padding=padding))
    settings = ImportSettings(size=32, padding="replicate" if padding == "replicate" else "reflect")
    model, card = imported(tmp_path, original, settings=settings, family=family)
    assert card.family == "imported-pix2pix-dropout"
    latents = noise.normal([1, 2], card.latent)
    pictures = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.inference_mode():
        answers = model.translate(pictures, "AtoB", latents)
        for row in range(2):
            fed, count = with_masks(original, Stream(latents[row : row + 1]))
            assert count == 3
            assert (answers[row] - fed(pictures[row : row + 1])[0]).abs().max() < EXACT
    assert (answers - model.translate(pictures, "AtoB", -latents)).abs().max() > 0.1
    assert not model.native or model.native.reach is None, "tiles would drop alike"


@pytest.mark.parametrize("network", [reference.UNet(7), reference.ResNet(dropout=True)])
def test_dropout_belongs_to_the_seed_alone(tmp_path, network):
    """As a worker answers: what it makes of one request does not depend on the others in its batch."""
    imported(tmp_path, trained(network), settings=ImportSettings(size=128))
    engine = Engine(Registry([tmp_path / "zoo"]), "cpu", 1)
    shown = np.random.default_rng(1).integers(0, 256, (128, 128, 3), np.uint8)

    def answers(*asked):
        works = [
            engine.prepare(
                Work(
                    Order(model="mine", task="translate", input={"image": "upload:x", "direction": "AtoB", **each}),
                    [shown],
                )
            )
            for each in asked
        ]
        return [computed.output.images for computed in engine.run(works)]

    (alone,), (other,) = answers({"seed": 5}), answers({"seed": 6})
    assert np.abs(alone.astype(int) - other).mean() > 1
    assert np.array_equal(answers({"seed": 5})[0], alone)
    first, second = answers({"seed": 6}, {"seed": 4, "n": 3})
    assert np.abs(first.astype(int) - other).max() <= 1
    for made, wanted in ((second[1], alone[0]), (second[2], other[0])):
        assert np.abs(made.astype(int) - wanted).max() <= 1


@pytest.mark.parametrize(
    ("network", "options", "drawn", "why"),
    [
        ({}, [], True, "dropout drawn from the seed, as in test.py without --eval"),
        ({}, ["--family", "pix2pix"], True, "on for a pix2pix (--dropout off: none)"),
        ({}, ["--dropout", "off"], False, "no dropout, as --dropout says"),
        ({}, ["--statistics", "stored"], False, "no dropout, as with --eval, since --statistics is stored"),
        ({}, ["--statistics", "stored", "--dropout", "drawn"], True, "dropout drawn from the seed, as --dropout says"),
        ({}, ["--family", "cyclegan"], False, "no dropout, as is usual for a CycleGAN"),
        ({}, ["--family", "cyclegan", "--dropout", "drawn"], True, "dropout drawn from the seed, as --dropout says"),
        ({"norm": "instance"}, [], False, "usually has batch norm, and --family names none"),
        ({"norm": "instance"}, ["--family", "pix2pix"], True, "dropout drawn from the seed, as in test.py"),
        ({"halvings": 5}, [], False, "no dropout, which a U-Net for 32 pixels has not"),
    ],
)
def test_the_command_says_whether_dropout_is_drawn_and_why(tmp_path, network, options, drawn, why):
    told = import_by_command(tmp_path, reference.UNet(**{"halvings": 6, "width": 1, **network}), *options)
    assert told.exit_code == 0, told.output
    assert why in next(line for line in told.output.splitlines() if line.startswith("assumed: ") and "dropout" in line)
    card = Card.read(tmp_path / "zoo" / "mine")
    taken = OPERATIONS[Task.TRANSLATE].inputs(checkpoint.read(tmp_path / "zoo" / "mine"))
    assert {"seed", "n"} <= set(taken) if drawn else not {"seed", "n"} & set(taken)
    assert card.latent == ((8,) if drawn else ())


@pytest.mark.parametrize(
    ("options", "drawn", "why"),
    [
        ([], True, "dropout drawn from the seed, as in test.py without --eval for a network that has it"),
        (["--family", "cyclegan"], True, "(--dropout off: none); so it makes no cycle and cannot be trained on"),
        (["--dropout", "off"], False, "no dropout, as --dropout says"),
        (["--statistics", "stored"], False, "no dropout, as with --eval, since --statistics is stored"),
    ],
)
def test_the_file_of_a_resnet_tells_that_it_drops_out(tmp_path, options, drawn, why):
    told = import_by_command(tmp_path, reference.ResNet(dropout=True), *options)
    assert told.exit_code == 0, told.output
    assert why in next(line for line in told.output.splitlines() if line.startswith("assumed: ") and "dropout" in line)
    assert Card.read(tmp_path / "zoo" / "mine").latent == ((8,) if drawn else ())


def test_nothing_is_said_of_dropout_that_a_resnet_has_not(tmp_path):
    told = import_by_command(tmp_path, reference.ResNet())
    assert told.exit_code == 0, told.output
    assert "found: trained without dropout" in told.output
    assert not [line for line in told.output.splitlines() if line.startswith("assumed: ") and "dropout" in line]


@pytest.mark.parametrize(
    ("network", "options", "reason"),
    [
        (reference.UNet(5, width=1), [], "a U-Net for 32 pixels has no dropout"),
        (reference.ResNet(), [], "it has no dropout that can be drawn"),
    ],
)
def test_dropout_that_cannot_be_drawn_is_refused(tmp_path, network, options, reason):
    told = import_by_command(tmp_path, network, "--dropout", "drawn", *options)
    assert told.exit_code == 1
    assert reason in told.output
    assert not (tmp_path / "zoo" / "mine").exists()


def import_by_command(folder, network, *options):
    """What the command says of a network that is saved and imported as `mine`."""
    torch.save(network.state_dict(), folder / "latest_net_G.pth")
    command = ["import", str(folder / "latest_net_G.pth"), "--name", "mine", "--zoo", str(folder / "zoo"), *options]
    return CliRunner().invoke(app, command)


def test_dropout_goes_both_ways_and_has_no_way_back(tmp_path):
    """Styles cannot be read off pictures, so that there is no cycle."""
    torch.save(trained(reference.ResNet()).state_dict(), tmp_path / "back.pth")
    unet = reference.UNet(6, width=1)
    told = import_by_command(tmp_path, unet, "--family", "pix2pix", "--back", str(tmp_path / "back.pth"))
    assert told.exit_code == 0, told.output
    model = checkpoint.read(tmp_path / "zoo" / "mine")
    assert "cycle" not in OPERATIONS[Task.TRANSLATE].inputs(model)
    pictures, latents = torch.rand(2, 3, 64, 64) * 2 - 1, noise.normal([1, 2], model.latent_shape)
    with torch.inference_mode():
        assert torch.equal(model.translate(pictures, "BtoA", latents), model.translate(pictures, "BtoA", -latents))
        assert not torch.equal(model.translate(pictures, "AtoB", latents), model.translate(pictures, "AtoB", -latents))
    with pytest.raises(ValueError, match="cannot be read off"):
        model.style(pictures, "AtoB")


@pytest.mark.parametrize("normed", [spectral_norm, parametrizations.spectral_norm])
@pytest.mark.parametrize("network", [reference.ResNet, reference.UNet])
def test_spectral_norm_is_folded_into_the_weights(tmp_path, network, normed):
    original = network()
    for module in list(original.modules()):
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            normed(module)
    original.train()(torch.randn(2, 3, 32, 32))
    original.eval()
    pictures = torch.rand(2, 3, 32, 32) * 2 - 1
    model, _ = imported(tmp_path, original)
    with torch.inference_mode():
        assert (model.translate(pictures, "AtoB") - original(pictures)).abs().max() < EXACT


def test_what_data_parallel_saves_is_taken(tmp_path):
    original = trained(reference.ResNet())
    model, _ = imported(tmp_path, nn.DataParallel(original))
    assert apart(model, original) < EXACT


def test_files_of_old_versions_of_torch_are_read(tmp_path):
    original = trained(reference.UNet())
    path = tmp_path / "old.pth"
    torch.save(original.state_dict(), path, _use_new_zipfile_serialization=False)
    settings = ImportSettings(size=32, statistics="stored")
    import_files("old", "pix2pix", {"BtoA": path}, settings, tmp_path / "zoo")
    assert apart(checkpoint.read(tmp_path / "zoo" / "old"), original, "BtoA") < EXACT


def test_a_generator_can_be_kept_in_half_precision(tmp_path):
    original = trained(reference.ResNet()).half().float()
    model, _ = imported(tmp_path, state={name: value.half() for name, value in original.state_dict().items()})
    assert apart(model, original) < EXACT


@pytest.mark.parametrize(("takes", "makes"), [(1, 1), (1, 3), (3, 1)])
def test_grey_and_colour_are_told_apart(tmp_path, takes, makes):
    original = trained(reference.UNet(takes=takes, makes=makes))
    model, card = imported(tmp_path, original)
    assert card.image.channels == max(takes, makes)
    grey = takes < card.image.channels
    pixels = np.random.default_rng(1).integers(0, 256, (2, 32, 32, card.image.channels), np.uint8)
    given = pixels.squeeze(3) if pixels.shape[3] == 1 else pixels
    read = [np.asarray(Image.fromarray(each).convert("L"))[:, :, None] for each in given] if grey else pixels
    with torch.inference_mode():
        made = model.translate(to_tensor(list(pixels)), "AtoB")
        assert (made - original(to_tensor(list(read)))).abs().max() < EXACT


def as_test_py_makes_it(network, picture, size=32):
    """A picture as the reference's test.py reads, translates and writes it: stretched, and its levels cut off."""
    taken = to_tensor([np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC))])
    with torch.inference_mode():
        made = (network.train()(taken)[0].permute(1, 2, 0).numpy() + 1) / 2 * 255
    return Image.fromarray(made.astype(np.uint8))


@pytest.mark.parametrize(
    ("settings", "options", "words"),
    [
        ({}, [], "that is the same picture"),
        ({"padding": "replicate"}, ["--padding", "replicate"], "that is the same picture"),
        ({"padding": "replicate"}, [], "with --padding replicate they would be at most"),
        ({}, ["--statistics", "stored"], "with --statistics picture they would be at most"),
    ],
)
def test_a_picture_that_the_original_made_tells_what_names_do_not(tmp_path, settings, options, words):
    original = trained(reference.ResNet(norm="batch", dropout=False, **settings))
    torch.save(original.state_dict(), tmp_path / "latest_net_G.pth")
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 3), np.uint8)
    picture = Image.fromarray(pixels).resize((70, 50), Image.Resampling.BICUBIC)
    picture.save(tmp_path / "real.png")
    as_test_py_makes_it(original, picture).save(tmp_path / "fake.png")
    told = CliRunner().invoke(
        app,
        [
            *("import", str(tmp_path / "latest_net_G.pth"), "--name", "mine", "--size", "32", *options),
            *("--check", str(tmp_path / "real.png"), str(tmp_path / "fake.png"), "--zoo", str(tmp_path / "zoo")),
        ],
    )
    assert words in " ".join(told.output.split()), told.output
    assert told.exit_code == (0 if "same" in words else 1)


def test_a_model_that_drops_out_is_checked_without(tmp_path):
    original = trained(reference.UNet(6))
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    picture.save(tmp_path / "real.png")
    undropped = reference.UNet(6, dropout=False)
    undropped.load_state_dict(original.state_dict())
    as_test_py_makes_it(undropped, picture, 64).save(tmp_path / "fake.png")
    told = import_by_command(tmp_path, original, "--check", str(tmp_path / "real.png"), str(tmp_path / "fake.png"))
    assert told.exit_code == 0, told.output
    assert "checked, without dropout: at most" in told.output
    shutil.rmtree(tmp_path / "zoo")
    as_test_py_makes_it(original, picture, 64).save(tmp_path / "fake.png")
    told = import_by_command(tmp_path, original, "--check", str(tmp_path / "real.png"), str(tmp_path / "fake.png"))
    assert told.exit_code == 1
    assert "yours has to be made so: by test.py --no_dropout of a U-Net" in " ".join(told.output.split())


def test_two_files_make_a_cyclegan_that_is_served_as_it_was(tmp_path):
    """Through ONNX Runtime, as a worker runs it."""
    there, back = trained(reference.ResNet(), seed=1), trained(reference.UNet(norm="instance"), seed=2)
    for letter, network in (("A", there), ("B", back)):
        torch.save(network.state_dict(), tmp_path / f"latest_net_G_{letter}.pth")
    told = CliRunner().invoke(
        app,
        [
            *("import", str(tmp_path / "latest_net_G_A.pth"), "--back", str(tmp_path / "latest_net_G_B.pth")),
            *("--family", "cyclegan", "--name", "my-cyclegan", "--domains", "horse, zebra", "--size", "32"),
            *("--licence", "CC0", "--zoo", str(tmp_path / "zoo")),
        ],
    )
    assert told.exit_code == 0, told.output
    assert "found: a ResNet of 2 blocks" in told.output
    assert "found: a U-Net of 5 halvings" in told.output
    card = Card.read(tmp_path / "zoo" / "my-cyclegan")
    assert (card.summary, card.licence) == ("horse to zebra and back, imported", "CC0")
    assert card.directions == ("AtoB", "BtoA")
    model, operation = checkpoint.read(tmp_path / "zoo" / "my-cyclegan"), OPERATIONS[Task.TRANSLATE]
    for direction, original in (("AtoB", there), ("BtoA", back)):
        rows = Rows(operation.probe(model, card, 3).tensors, {"direction": direction})
        served = compilation.compile(model, operation, rows, 1)(rows.tensors)
        with torch.inference_mode():
            assert (served - original(rows.tensors["images"])).abs().max() < 1e-4


class Surprise:
    """Something that is not weights."""


def without(state, name):
    return {key: value for key, value in state.items() if key != name}


GOOD = trained(reference.ResNet()).state_dict()

BAD = {
    "code": (Surprise(), r"holds more than weights \(tests.importing.test_reference.Surprise\)"),
    "a list": ([torch.zeros(2)], "it holds list, not a state dict"),
    "nothing": ({}, "it holds dict, not a state dict"),
    "more than tensors": (GOOD | {"epoch": 200}, "'epoch' in it is int; only a state dict"),
    "infinite weights": (GOOD | {"model.1.bias": torch.full((4,), torch.inf)}, "model.1.bias in it is no plain tensor"),
    "a discriminator": ({"model.0.weight": torch.zeros(4, 3, 4, 4)}, "perhaps it is a discriminator"),
    "another network": ({"features.0.weight": torch.zeros(4, 3, 3, 3)}, "nothing that is known here .pix2pix-unet, "),
    "a layer too many": (GOOD | {"model.30.weight": torch.zeros(4)}, "layers that such a network has not: model.30"),
    "a tensor too many": (
        GOOD | {"model.1.scale": torch.zeros(4)},
        "nearest to cyclegan-resnet.*: it has model.1.scale, which that has not",
    ),
    "a layer too few": (without(GOOD, "model.4.weight"), "nearest to cyclegan-resnet.*: it has no model.4.weight"),
    "another shape": (GOOD | {"model.4.weight": torch.zeros(8, 4, 5, 5)}, "8 x 4 x 5 x 5, and 8 x 4 x 3 x 3 in such"),
    "a number as weight": (GOOD | {"model.1.weight": torch.tensor(1.0)}, "model.1.weight"),
    "four channels": (trained(reference.ResNet(takes=4)).state_dict(), "pictures of 4 channels are not taken"),
    "half a spectral norm": (
        without(GOOD, "model.4.weight")
        | {"model.4.weight_orig": GOOD["model.4.weight"], "model.4.weight_u": torch.ones(8)},
        "vectors of one of its spectral norms are missing",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_anything_else_is_refused_with_a_word_on_it(tmp_path, case):
    state, reason = BAD[case]
    with pytest.raises(NotImportable, match=reason) as caught:
        imported(tmp_path, state=state)
    assert "latest_net_G.pth" in str(caught.value)
    assert not (tmp_path / "zoo" / "mine").exists()


@pytest.mark.parametrize("network", [reference.ResNet, reference.UNet])
def test_whatever_is_amiss_with_a_state_dict_nothing_else_is_raised(network):
    random = np.random.default_rng(0)
    whole = trained(network(norm="batch")).state_dict()
    for _ in range(150):
        state = dict(whole)
        for name in random.choice(list(whole), 2, replace=False):
            damage = random.integers(4)
            value = state.pop(name)
            if damage == 0:
                state[name] = torch.ones([1, 3, 8][: random.integers(4)])
            elif damage == 1:
                state[name.replace("weight", "weight_orig")] = value
            elif damage == 2:
                state[name.replace("1", str(random.integers(30)), 1)] = value
        with contextlib.suppress(NotImportable):
            layouts.recognise(candidates(state), ImportSettings())


def test_files_that_are_no_checkpoints_are_refused(tmp_path):
    path = tmp_path / "net.pth"
    whole = pickle.dumps(OrderedDict(a=1), protocol=2)
    torch.save(GOOD, tmp_path / "good.pth")
    for data in (b"", b"hello", b"PK\3\4" + bytes(100), whole, (tmp_path / "good.pth").read_bytes()[:-200]):
        path.write_bytes(data)
        with pytest.raises(NotImportable, match=r"net\.pth"):
            import_files("mine", "pix2pix", {"AtoB": path}, ImportSettings(), tmp_path / "zoo")


def test_a_size_that_the_network_cannot_take_and_a_name_that_is_taken_are_refused(tmp_path):
    with pytest.raises(NotImportable, match="multiples of 32"):
        imported(tmp_path, reference.UNet(), settings=ImportSettings(size=48))
    imported(tmp_path, reference.UNet(), settings=ImportSettings(size=64))
    with pytest.raises(NotImportable, match="exists already"):
        imported(tmp_path, reference.UNet())


@pytest.mark.parametrize(
    ("options", "reason"),
    [(["--name", "No Name"], "is no name for a model"), (["--name", "ok", "--domains", "horse"], "two names")],
)
def test_options_that_make_no_sense_are_told(tmp_path, options, reason):
    torch.save(GOOD, tmp_path / "net.pth")
    told = CliRunner().invoke(app, ["import", str(tmp_path / "net.pth"), "--family", "pix2pix", *options])
    assert told.exit_code == 1
    assert reason in told.output
