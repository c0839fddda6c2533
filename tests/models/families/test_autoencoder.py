"""Auto-encoders: what their losses weigh, and what their codes are like."""

import pytest
import torch

from models.model import build

SMALL = {"size": 8, "latent": 3, "width": 8, "network": "strided"}
IMAGES = torch.rand(16, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


def trained(family, **config):
    torch.manual_seed(0)
    made = build(family, {**SMALL, **config})
    made.prepare_training()
    return made


def losses(model):
    torch.manual_seed(1)
    return {name: term.item() for name, term in model.loss("autoencoder", {"images": IMAGES}).items()}


def test_beta_weighs_the_kl_term_alone():
    one, four = losses(trained("vae")), losses(trained("beta-vae"))
    assert four["kl"] == pytest.approx(4 * one["kl"])
    assert four["reconstruction"] == pytest.approx(one["reconstruction"])


def test_the_kl_term_grows_to_its_weight_over_the_warm_up():
    model = trained("vae", warm_up=4)
    weights = []
    for _ in range(6):
        weights.append(losses(model)["kl"] / losses(trained("vae"))["kl"])
        model.after_step("autoencoder")
    assert weights == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1])


def test_more_importance_samples_tighten_the_bound():
    def bound(samples):
        model = trained("vae", samples=samples)
        return sum(losses(model)["negative_bound"] for _ in range(20)) / 20

    assert bound(64) < bound(2) < sum(losses(trained("vae")).values()) + 1


def test_codes_of_a_plain_auto_encoder_are_standardised():
    model = trained("ae")
    model.encoder.net[-1].weight.data *= 20
    codes = model.encode(IMAGES)
    assert torch.allclose(codes.mean(0), torch.zeros(3), atol=1e-5)
    assert torch.allclose(codes.var(0, unbiased=False), torch.ones(3), atol=1e-2)


def test_a_strided_pair_fits_every_multiple_of_four():
    for size, channels in ((8, 1), (28, 1), (32, 3)):
        model = build("vae", {**SMALL, "size": size, "channels": channels}).eval()
        images = torch.zeros(2, channels, size, size)
        assert model.decode(model.encode(images)).shape == images.shape
