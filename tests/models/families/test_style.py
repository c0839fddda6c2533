"""Style transfer and dreams: what each loss says, and what each model does to a picture."""

from functools import partial

import pytest
import torch

from models.families.deepdream import DeepDream
from models.families.gatys import Gatys
from models.features import shipped
from models.losses.style import content_loss, manner, style_loss, total_variation
from models.model import build, final_images
from models.nn.stylist import Stylist
from models.nn.vgg import VGG


@pytest.fixture(scope="module")
def gatys():
    return shipped("paintings-gatys", Gatys)


@pytest.fixture(scope="module")
def deepdream():
    return shipped("medley-deepdream", DeepDream)


def pictures(count=1, height=40, width=52):
    """Smooth, as photographs are."""
    torch.manual_seed(0)
    coarse = torch.rand(count, 3, 6, 7) * 1.6 - 0.8
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(-1, 1)


def painted(model, images, *paintings, strength=1.0, **options):
    """The images, each in the manner of a painting."""
    mixture = torch.cat([one(painting, model.classes) for painting in paintings])
    return model.stylize(images, model.manner_of_classes(mixture), torch.full((len(images),), strength), **options)


def dreamt(model, images, **of):
    return model.dream(images, torch.full((len(images),), 0.5), **of)


def one(index, classes=10):
    return torch.eye(classes)[[index]]


def small_vgg():
    torch.manual_seed(0)
    return VGG(3, 4, (4, 8, 8), (1, 2, 1))


def test_the_manner_of_activations_is_their_means_and_covariances():
    activations = torch.randn(2, 3, 4, 5) + 1
    told = manner(activations)
    assert torch.allclose(told[:, :, 0], activations.mean((2, 3)), atol=1e-6)
    for row, found in zip(activations.flatten(2), told[:, :, 1:], strict=True):
        assert torch.allclose(found, torch.cov(row, correction=0), atol=1e-5)


def test_losses_are_0_for_what_is_wanted_and_1_for_nothing():
    for loss, size in ((style_loss, (2, 4, 5)), (content_loss, (2, 4, 3, 3))):
        wanted = {"a": torch.randn(size), "b": 10 * torch.randn(size)}
        nothing = {name: torch.zeros_like(tensor) for name, tensor in wanted.items()}
        assert torch.allclose(loss(wanted, wanted), torch.zeros(2))
        assert torch.allclose(loss(nothing, wanted), torch.ones(2))


def test_total_variation_is_of_neighbours():
    stripes = torch.tensor([1.0, -1.0]).repeat(4).expand(1, 1, 8, 8)
    assert total_variation(stripes).item() == pytest.approx(4)
    assert total_variation(torch.ones(1, 1, 8, 8)).item() == 0


def test_a_folded_vgg_sees_the_same():
    network, images = small_vgg(), torch.randn(8, 3, 16, 16)
    network(images)  # statistics of its own
    network.eval()
    before = {name: found.clone() for name, found in network.features(images, list(network.layers)).items()}
    logits = network(images)
    network.fold()
    for name, found in network.features(images, list(network.layers)).items():
        assert torch.allclose(found, before[name], atol=1e-5)
    assert torch.allclose(network(images), logits, atol=1e-5)


def test_features_above_the_last_that_is_asked_for_are_not_computed():
    network = small_vgg().eval()
    network.layers["relu3_1"].register_forward_hook(lambda *_: pytest.fail("computed"))
    assert list(network.features(torch.randn(1, 3, 16, 16), ["relu2_2", "relu1_1"])) == ["relu1_1", "relu2_2"]


def test_a_classifier_learns_with_noise_on_its_images():
    plain, noisy = (
        build(
            "classifier", {"channels": 3, "classes": 4, "network": "vgg", "widths": [4], "depths": [1], "noise": noise}
        )
        for noise in (0.0, 1.0)
    )
    noisy.load_state_dict(plain.state_dict())
    batch = {"images": pictures(8), "labels": torch.arange(8) % 4}
    losses = [model.loss("classifier", batch)["cross_entropy"].item() for model in (plain, noisy)]
    assert losses[0] != losses[1]


def test_optimisation_brings_the_style_loss_to_a_tenth_in_50_steps(gatys):
    images = pictures(height=96, width=128)
    wanted, made = gatys.manner_of_classes(one(6)), final_images(painted(gatys, images, 6))
    before, after = (gatys.style_loss(shown, wanted).item() for shown in (images, made))
    assert after <= before / 10
    assert made.shape == images.shape and made.abs().max() <= 1


def test_what_is_optimised_does_not_depend_on_its_neighbours(gatys):
    images = pictures(2)
    together, alone = (
        final_images(painted(gatys, images, 0, 6, steps=5)),
        final_images(painted(gatys, images[1:], 6, steps=5)),
    )
    assert torch.allclose(together[1:], alone, atol=1e-4)


def test_optimisation_can_be_left_after_any_step_and_leaves_no_gradients_on(gatys):
    with torch.inference_mode():
        steps = painted(gatys, pictures(), 0, steps=3)
        first = next(steps)
        assert (first.done, first.total) == (1, 3)
        assert not torch.is_grad_enabled()
        steps.close()


def test_strength_leads_from_the_picture_to_the_painting(gatys):
    images = pictures(height=64, width=64)
    kept, half, full = (final_images(painted(gatys, images, 2, strength=s, steps=10)) for s in (0.0, 0.5, 1.0))
    assert torch.equal(kept, images)
    assert 0 < (half - images).abs().mean() < (full - images).abs().mean()


def test_a_second_picture_is_matched_as_a_painting_is(gatys):
    images, style = pictures(height=64, width=64), pictures(2, 48, 80)[1:].flip(3) * 0.5
    wanted = gatys.manner_of(style)
    made = final_images(gatys.stylize(images, wanted, torch.ones(1), steps=20))
    before, after = (gatys.style_loss(shown, wanted).item() for shown in (images, made))
    assert after < before / 4


def test_a_stylist_keeps_any_size_and_is_the_identity_at_first():
    network = Stylist(3, 2, width=4, blocks=1, outer=5)
    for size in ((8, 8), (37, 50), (64, 33)):
        images = torch.rand(1, 3, *size) * 2 - 1
        assert torch.equal(network(images, one(0, 2)), images)


def test_each_style_of_a_stylist_has_norms_of_its_own_and_mixtures_lie_between():
    network = Stylist(3, 2, width=4, blocks=1, outer=5)
    torch.nn.init.normal_(network.write.weight, std=0.1)
    network.read.norm.shift.data[1] = 2.0
    images = pictures()
    first, second, between = (network(images, mix) for mix in (one(0, 2), one(1, 2), torch.tensor([[0.5, 0.5]])))
    apart = (first - second).abs().mean()
    assert apart > 0
    assert (first - between).abs().mean() < apart and (second - between).abs().mean() < apart


def test_adain_gives_features_the_statistics_of_the_style():
    from models.families.adain import adapted, statistics

    content, style = torch.randn(2, 5, 6, 7), torch.randn(2, 5, 4, 3) * 3 + 2
    assert torch.allclose(statistics(adapted(content, statistics(style))), statistics(style), atol=1e-3)


def test_adain_trains_its_decoder_alone_and_remembers_paintings():
    torch.manual_seed(0)
    model = build("adain", {"classes": 2})
    model.prepare_training()
    before = {name: tensor.clone() for name, tensor in model.encoder.state_dict().items()}
    batch = {"images": pictures(4, 32, 32), "style": pictures(4, 32, 32).flip(2), "labels": torch.tensor([0, 1, 0, 1])}
    (player,) = model.players()
    losses = model.loss(player.name, batch)
    sum(losses.values()).backward()
    assert all(parameter.grad is not None for parameter in player.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.encoder.state_dict().items())
    assert (model.paintings != 0).any(dim=2).all()
    for size in ((33, 47), (32, 40)):
        assert painted(model, pictures(1, *size), 1).shape == (1, 3, *size)
        told = model.manner_of(pictures(1, 40, 24))
        assert model.stylize(pictures(1, *size), told, torch.ones(1)).shape == (1, 3, *size)


@pytest.mark.parametrize(
    "of",
    [
        {"layer": "relu4_3"},
        {"layer": "relu3_3", "channel": 5},
        {"labels": torch.tensor([10])},
        {"layer": "relu4_3", "guide": pictures(2)[1:]},
    ],
    ids=["layer", "channel", "class", "guide"],
)
def test_a_dream_climbs_what_it_is_of(deepdream, of):
    images = pictures(height=64, width=64)
    wanted = {
        "labels": lambda: deepdream._of_classes(of["labels"]),
        "guide": lambda: deepdream._as_in(of["guide"], of["layer"]),
    }.get(
        next((name for name in ("labels", "guide") if name in of), ""),
        lambda: partial(deepdream.seen, layer=of["layer"], channel=of.get("channel")),
    )()
    made = final_images(dreamt(deepdream, images, **of, octaves=2, steps=4))
    assert made.shape == images.shape
    assert wanted(made).item() > wanted(images).item()


def test_a_dream_steps_through_octaves_and_shows_each_at_full_size(deepdream):
    steps = list(dreamt(deepdream, pictures(), layer="relu3_3", octaves=3, steps=2))
    assert [step.done for step in steps] == [1, 2, 3, 4, 5, 6]
    assert {step.total for step in steps} == {6}
    assert {tuple(step.images.shape) for step in steps} == {(1, 3, 40, 52)}


def test_a_dream_does_not_depend_on_its_neighbours(deepdream):
    images = pictures(2)
    together = final_images(dreamt(deepdream, images, layer="relu4_3", octaves=2, steps=3))
    alone = final_images(dreamt(deepdream, images[1:], layer="relu4_3", octaves=2, steps=3))
    assert torch.allclose(together[1:], alone, atol=1e-3)
