"""Samplers against closed forms: of normal data the best denoiser is known, and so is where every flow line ends."""

import math
from itertools import pairwise

import pytest
import torch

from models.families.diffusion import GUIDED
from models.model import build, final_images
from models.nn.text import bags
from models.noise import Stream, normal
from models.samplers import SAMPLERS, ddim, ddpm, dpm_solver, karras_levels
from models.sampling_defaults import DEFAULT_SAMPLER, DEFAULT_STEPS
from tasks.inputs import SAMPLER
from tests.zoo import with_contrast

MEAN, STD, HIGHEST = 0.3, 0.5, 40.0


def denoise(x, level):
    """E[x₀ | x] for data from N(MEAN, STD²)."""
    return (STD**2 * x + level**2 * MEAN) / (STD**2 + level**2)


def ends(latent):
    """Where the probability flow from HIGHEST leads."""
    return MEAN + (latent * HIGHEST - MEAN) * STD / (STD**2 + HIGHEST**2) ** 0.5


def run(sampler, latent, steps, lowest=0.002):
    levels = karras_levels(steps, HIGHEST, lowest)
    *_, (x, _) = sampler(denoise, latent * levels[0], levels, Stream(latent))
    return x


def toy(**config):
    torch.manual_seed(0)
    return with_contrast(build("diffusion", {"size": 8, "widths": (32,), "classes": 2, **config})).eval()


@pytest.mark.parametrize(("sampler", "order"), [(ddim, 1), (dpm_solver, 2)])
def test_a_flow_sampler_converges_with_its_order(sampler, order):
    latent = normal(range(50), (1, 2, 2)).double()
    errors = [(run(sampler, latent, steps) - ends(latent)).abs().max().item() for steps in (20, 40, 80)]
    for coarse, fine in pairwise(errors):
        assert coarse / fine == pytest.approx(2**order, rel=0.25)


def test_the_default_sampler_is_near_its_limit_in_the_default_steps():
    latent = normal(range(50), (1, 2, 2)).double()
    made = {name: run(sampler, latent, DEFAULT_STEPS, lowest=0.02) for name, sampler in SAMPLERS.items()}
    errors = {name: (images - ends(latent)).abs().max() for name, images in made.items()}
    assert errors[DEFAULT_SAMPLER] < 0.1
    assert errors[DEFAULT_SAMPLER] < errors["ddim"] / 2


def test_ancestral_samples_have_the_datas_distribution():
    latent = normal(range(2000), (1, 2, 2))
    samples = run(ddpm, latent, 200)
    assert samples.mean().item() == pytest.approx(MEAN, abs=0.02)
    assert samples.std().item() == pytest.approx(STD, rel=0.05)
    assert run(ddpm, latent[:200], 5).std() < 0.7 * STD, "few ancestral steps fall short"


def test_ddim_leads_back_to_the_noise_of_an_image():
    latent = normal(range(20), (1, 2, 2)).double()
    levels = karras_levels(300, HIGHEST, 0.002)[:-1]
    *_, (image, _) = ddim(denoise, latent * HIGHEST, levels, Stream(latent))
    *_, (noised, _) = ddim(denoise, image, levels[::-1], Stream(latent))
    assert torch.allclose(noised / HIGHEST, latent, rtol=0.03, atol=0.01)


def test_levels_fall_from_the_highest_to_none():
    levels = karras_levels(20, 40.0, 0.02)
    assert (levels[0], levels[-1], len(levels)) == (pytest.approx(40), 0, 21)
    assert pytest.approx(0.02) == levels[-2]
    assert all(one > other for one, other in pairwise(levels))
    assert karras_levels(1, 40.0, 0.02) == [pytest.approx(40), 0]


def test_a_stream_belongs_to_its_row_and_goes_on():
    latent = normal([3, 1, 2], (4,))
    together, alone = Stream(latent), Stream(latent[1:2])
    first, second = together.normal((5,)), together.normal((5,))
    assert torch.equal(first[1:2], alone.normal((5,)))
    assert torch.equal(second[1:2], alone.normal((5,)))
    assert not torch.equal(first, second)
    assert abs(torch.corrcoef(torch.stack([Stream(latent).normal((4000,))[0], first.repeat(1, 800)[0]]))[0, 1]) < 0.1


def test_a_stream_s_dropout_belongs_to_its_row_and_keeps_the_mean():
    latent = normal([3, 1, 2], (4,))
    together, alone = Stream(latent), Stream(latent[1:2])
    for rate, values in ((0.5, [0, 2]), (0.2, [0, 1.25]), (0.0, [1])):
        factors = together.dropout((100, 100), rate)
        assert torch.equal(factors[1:2], alone.dropout((100, 100), rate))
        assert torch.allclose(factors.unique(), torch.tensor(values, dtype=torch.float32))
        assert factors.mean((1, 2)).sub(1).abs().max() < 0.05
    assert not torch.equal(factors := Stream(latent).dropout((50,), 0.5), factors.flip(0))


def test_the_denoiser_hands_back_an_image_without_noise():
    images = torch.rand(2, 1, 8, 8) * 2 - 1
    clean = toy().denoise(images, torch.full((2,), 1e-4), torch.tensor([0, 1]))
    assert torch.allclose(clean, images, atol=1e-3)


def test_the_network_is_given_and_asked_for_unit_variance():
    model = toy()
    seen = {}
    model.network.forward = lambda x, levels, labels: seen.setdefault("x", x) * 0
    for level in (0.05, 0.6, 20.0):
        seen.clear()
        data = model.config.data_std * torch.randn(500, 1, 8, 8)
        x = data + level * torch.randn_like(data)
        clean = model.denoise(x, torch.full((500,), level), torch.zeros(500, dtype=torch.long))
        assert seen["x"].std().item() == pytest.approx(1, rel=0.03)
        scale = level * model.config.data_std / (level**2 + model.config.data_std**2) ** 0.5
        assert ((data - clean) / scale).std().item() == pytest.approx(1, rel=0.03)


def test_guidance_of_nought_forgets_the_label_and_of_one_is_the_label():
    model, latent = toy(), torch.randn(1, 1, 8, 8)
    zero, one = torch.tensor([0]), torch.tensor([1])
    with torch.inference_mode():
        drawn = {
            (label.item(), guidance): final_images(model.sample(latent, label, steps=4, guidance=guidance))
            for label in (zero, one)
            for guidance in (0.0, 0.999999, 1.0, 3.0)
        }
    assert torch.equal(drawn[0, 0.0], drawn[1, 0.0])
    assert not torch.allclose(drawn[0, 1.0], drawn[1, 1.0], atol=1e-3)
    assert torch.allclose(drawn[0, 1.0], drawn[0, 0.999999], atol=1e-4)
    apart = {guidance: (drawn[0, guidance] - drawn[1, guidance]).abs().mean() for guidance in (1.0, 3.0)}
    assert apart[3.0] > apart[1.0]


@torch.inference_mode()
def test_more_guidance_takes_a_second_pass_at_some_levels_and_the_default_takes_twenty_at_most():
    model, passes = toy(), []
    network = model.network.forward
    model.network.forward = lambda x, levels, labels: passes.append(levels[0].item()) or network(x, levels, labels)
    final_images(model.sample(torch.randn(1, 1, 8, 8), torch.tensor([1])))
    assert DEFAULT_STEPS < len(passes) <= 20
    twice = {level for level in passes if passes.count(level) == 2}
    assert min(twice) >= math.log(GUIDED[0]) / 4
    assert max(twice) <= math.log(GUIDED[1]) / 4
    passes.clear()
    final_images(model.sample(torch.randn(1, 1, 8, 8), torch.tensor([1]), steps=5, guidance=0.5))
    assert len(passes) == 10


def test_the_label_is_hidden_from_a_share_of_the_training_examples():
    model = toy(unconditional=0.25)
    seen = []
    model.network.forward = lambda x, levels, labels: seen.append(labels) or x
    for _ in range(20):
        model.loss("denoiser", {"images": torch.zeros(50, 1, 8, 8), "labels": torch.ones(50, dtype=torch.long)})
    labels = torch.cat(seen)
    assert set(labels.tolist()) == {1, 2}
    assert (labels == 2).float().mean().item() == pytest.approx(0.25, abs=0.05)


@torch.inference_mode()
def test_a_picture_varies_by_strength():
    model, images, noise = toy(), torch.rand(2, 1, 8, 8) * 2 - 1, torch.randn(2, 1, 8, 8)
    moved = [(final_images(model.vary(images, noise, strength)) - images).square().mean() for strength in (0, 0.3, 0.9)]
    assert moved[0] == 0
    assert moved[0] < moved[1] < moved[2]
    assert len(list(model.vary(images, noise, 0.5, steps=10))) == 5
    assert not torch.equal(*final_images(model.vary(images[:1].expand(2, -1, -1, -1), noise, 0.5)))


@torch.inference_mode()
def test_what_is_filled_in_follows_from_what_is_known(monkeypatch):
    """With data whose pixels are all alike, the known half says what the other must be."""
    model = toy(classes=0)

    def alike(x, levels, labels):
        pixel = x.mean((1, 2, 3), keepdim=True)
        return (pixel / (1 + levels[:, None, None, None] ** 2 / 64)).expand_as(x)

    monkeypatch.setattr(model, "denoise", alike)
    images = torch.tensor([-0.8, 0.7])[:, None, None, None].expand(2, 1, 8, 8)
    mask = torch.zeros(2, 1, 8, 8)
    mask[:, :, 4:] = 1
    made = final_images(model.complete(images, mask, torch.randn(2, 1, 8, 8)))
    assert torch.allclose(made[:, :, 4:], images[:, :, 4:], atol=0.1)


def test_inputs_name_the_samplers_there_are():
    kind, _ = SAMPLER.definition(None)
    assert set(kind.__args__) == set(SAMPLERS)


@torch.inference_mode()
def test_a_text_leads_as_a_class_does_and_nothing_is_unlike_any_text():
    torch.manual_seed(0)
    config = {"size": 8, "widths": (32,), "embedding": 16, "patch": 2}
    model = with_contrast(build("text-diffusion", config)).eval()
    latent = torch.randn(1, 1, 8, 8)
    drawn = {
        (text, guidance): final_images(model.sample(latent, bags([text]), steps=4, guidance=guidance))
        for text in ("red apple", "fire engine")
        for guidance in (0.0, 1.0)
    }
    assert torch.equal(drawn["red apple", 0.0], drawn["fire engine", 0.0])
    assert not torch.allclose(drawn["red apple", 1.0], drawn["fire engine", 1.0], atol=1e-3)
    assert not model.nothing(1).any()
    assert model.read(bags(["red apple", ""])).std(1)[0].item() == pytest.approx(1, rel=0.3)


def test_texts_learn_to_be_told_by_images_and_are_hidden_as_often_as_the_recipe_says():
    torch.manual_seed(0)
    config = {"size": 16, "channels": 3, "widths": (32,), "embedding": 16, "unconditional": 0.25}
    model = build("text-diffusion", config)
    model.prepare_training()
    told = []
    network = model.network.forward
    model.network.forward = lambda x, levels, labels: told.append(labels.detach()) or network(x, levels, labels)
    batch = {"images": torch.randn(400, 3, 16, 16), "text": bags([f"thing {index}" for index in range(400)])}
    losses = model.loss("denoiser", batch)
    hidden = (told[0] == 0).all(1).float().mean().item()
    assert hidden == pytest.approx(0.25, abs=0.07)
    losses["matching"].backward()
    assert model.encoder.table.weight.grad.any()
    assert next(model.eye.parameters()).grad.any()
