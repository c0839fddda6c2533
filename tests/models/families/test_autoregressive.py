"""Models that draw one place after the other: what they may see, what they sum to, what caches keep."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from models.model import build, final_images

FAMILIES = ["pixelcnn", "pixelrnn"]


def toy(family, size, block=1, scale=2.0):
    """With weights large enough for probabilities far from a half."""
    torch.manual_seed(0)
    model = build(family, {"size": size, "block": block, "width": 8, "layers": 2}).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.mul_(scale)
    return model


def every_image(pixels):
    """[2^pixels, pixels] of -1 and 1."""
    return torch.tensor(list(itertools.product((-1.0, 1.0), repeat=pixels)))


def one_by_one(model, latent):
    """Samples by the whole network, once for each place."""
    network, (rows, columns) = model.network.double(), model.latent_shape
    shares = torch.special.ndtr(latent.double())
    tokens = torch.zeros(len(latent), model.block**2, rows, columns, dtype=torch.double)
    for row, column in itertools.product(range(rows), range(columns)):
        below = network(tokens)[:, :, row, column].softmax(1).cumsum(1)
        value = (below[:, :-1] < shares[:, row, column, None]).sum(1)
        tokens[:, :, row, column] = model.patterns[value].double()
    return F.pixel_shuffle(tokens, model.block).float()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_place_depends_on_earlier_places_alone(family):
    network = toy(family, 5).network.double()
    tokens = torch.randn(1, 1, 5, 5, dtype=torch.double, requires_grad=True)
    logits = network(tokens).flatten(2)
    seen = []
    for place in range(25):
        (gradient,) = torch.autograd.grad(logits[0, :, place].square().sum(), tokens, retain_graph=True)
        reached = gradient.abs().sum(1).flatten() > 0
        assert not reached[place:].any()
        seen.append(reached[:place].float().mean().item())
    assert seen[1] == 1, "the second pixel sees the first"
    assert min(seen[-3:]) > 0.6, "late pixels see most of the image"


@pytest.mark.parametrize(("family", "size", "block"), [("pixelcnn", 3, 1), ("pixelrnn", 3, 1), ("pixelcnn", 2, 2)])
def test_probabilities_of_all_images_sum_to_one(family, size, block):
    images = every_image(size**2)[:, None].unflatten(2, (size, size))
    nll = toy(family, size, block).nll(images)
    assert nll.double().neg().exp().sum().item() == pytest.approx(1, abs=1e-5)
    assert nll.std() > 0.1, "not all alike"


@pytest.mark.parametrize("family", FAMILIES)
def test_samples_are_as_frequent_as_their_probability(family):
    model, images = toy(family, 2), every_image(4)
    drawn = final_images(model.sample(torch.randn(5000, 2, 2, generator=torch.Generator().manual_seed(0)))).flatten(1)
    frequency = (drawn[:, None] == images).all(2).float().mean(0)
    assert torch.allclose(frequency, model.nll(images.unflatten(1, (1, 2, 2))).neg().exp(), atol=0.03)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("block", [1, 2])
def test_cached_samples_are_those_of_the_whole_network(family, block):
    model = toy(family, 6, block)
    latent = torch.randn(6, *model.latent_shape)
    cached = final_images(model.sample(latent))
    assert torch.equal(cached, one_by_one(model, latent))
    assert 0.05 < (cached > 0).float().mean() < 0.95


def test_a_sample_depends_on_its_own_latent_alone():
    model = toy("pixelcnn", 8)
    latent = torch.randn(5, 8, 8)
    assert torch.equal(final_images(model.sample(latent))[3:4], final_images(model.sample(latent[3:4])))


def test_a_low_temperature_takes_the_likeliest_value_everywhere():
    model = toy("pixelcnn", 4)
    cold = final_images(model.sample(torch.randn(3, 4, 4), temperature=torch.full((3,), 1e-4)))
    assert torch.equal(cold, cold[:1].expand_as(cold))
    likeliest = model.network(cold[:1]).argmax(1) * 2 - 1
    assert torch.equal(likeliest.float(), cold[0])


@pytest.mark.parametrize("block", [1, 2])
def test_a_completed_picture_keeps_what_is_known_and_fills_in_what_is_likely(block):
    model = toy("pixelcnn", 4, block)
    images = torch.where(torch.rand(1, 1, 4, 4) > 0.5, 1.0, -1.0)
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., 3, 2:] = 1
    count = 2000
    noise = torch.randn(count, *model.latent_shape, generator=torch.Generator().manual_seed(0))
    made = final_images(model.complete(images.expand(count, -1, -1, -1), mask.expand(count, -1, -1, -1), noise))
    known = (mask == 0).expand_as(made)
    assert torch.equal(made[known], images.expand_as(made)[known])
    endings = every_image(2)
    candidates = images.repeat(4, 1, 1, 1)
    candidates[:, 0, 3, 2:] = endings
    wanted = model.nll(candidates).neg().softmax(0)  # exact, as nothing known comes after what is filled in
    found = (made[:, 0, 3, 2:][:, None] == endings).all(2).float().mean(0)
    assert torch.allclose(found, wanted, atol=0.04)


def test_rows_come_one_after_the_other():
    steps = list(toy("pixelcnn", 8, 2).sample(torch.randn(1, 4, 4)))
    assert [(step.done, step.total) for step in steps] == [(row, 4) for row in range(1, 5)]
    assert torch.equal(steps[1].images[:, :, :4], steps[-1].images[:, :, :4])
