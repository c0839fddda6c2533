"""What surveys of generative models often state wrongly, as it is here. Of the metrics and densities `test_metrics` and
`test_gaussian` tell the rest, of β and warm-up `test_autoencoder`."""

import math

import pytest
import torch

from models import noise
from models.losses.adversarial import LeastSquares, NonSaturating
from models.losses.likelihood import bernoulli_nll, kl_to_standard_normal
from models.model import build, parameter_count


def slope(loss, value):
    """The derivative of a loss at one logit."""
    logit = torch.tensor([value], requires_grad=True)
    loss(logit).backward()
    return logit.grad.item()


def test_at_the_games_end_the_discriminator_says_one_half_and_its_loss_is_not_zero():
    undecided = torch.zeros(4)
    assert NonSaturating().discriminator(undecided, undecided).item() == pytest.approx(2 * math.log(2))
    same = slope(lambda logit: NonSaturating().discriminator(logit, logit), 0.0)
    assert same == pytest.approx(0), "of real and generated images that are alike, one half is the best it can say"
    assert NonSaturating().discriminator(torch.tensor([1.0]), torch.tensor([1.0])) > 2 * math.log(2)


def test_a_discriminators_objective_has_two_halves():
    """On real images it wants to say yes, on generated ones no."""
    for loss in (NonSaturating(), LeastSquares()):
        assert slope(lambda logit, loss=loss: loss.discriminator(logit, torch.zeros(1)), 0.0) < 0
        assert slope(lambda logit, loss=loss: loss.discriminator(torch.zeros(1), logit), 0.5) > 0


def test_the_generators_gradient_does_not_vanish_where_the_discriminator_is_sure():
    """It minimises -log D, not log(1 - D), whose slope there is that of a saturated sigmoid."""
    assert slope(NonSaturating().generator, -10.0) == pytest.approx(-1, abs=1e-3)
    saturating = slope(lambda logit: torch.log(1 - torch.sigmoid(logit)).mean(), -10.0)
    assert abs(saturating) < 1e-4


def test_least_squares_is_regression_to_one_without_a_sigmoid():
    generator = LeastSquares().generator
    assert generator(torch.ones(3)).item() == 0
    assert generator(torch.full((3,), 3.0)).item() == pytest.approx(generator(torch.full((3,), -1.0)).item())


def test_the_kl_term_is_least_at_the_prior_and_never_negative():
    """Minimising 1 + log σ² - μ² - σ² instead would diverge: at the prior it has its maximum."""
    mean, log_variance = torch.randn(200, 5) * 3, torch.randn(200, 5) * 3
    assert (kl_to_standard_normal(mean, log_variance) > 0).all()
    assert kl_to_standard_normal(torch.zeros(1, 5), torch.zeros(1, 5)).item() == 0
    normal, prior = torch.distributions.Normal(mean, (log_variance / 2).exp()), torch.distributions.Normal(0.0, 1.0)
    expected = torch.distributions.kl_divergence(normal, prior).sum(1)
    assert torch.allclose(kl_to_standard_normal(mean, log_variance), expected, rtol=1e-4)


def vae():
    torch.manual_seed(0)
    made = build("vae", {"size": 8, "latent": 3, "width": 8, "network": "strided"})
    made.prepare_training()
    return made


def test_with_a_beta_of_one_a_vae_minimises_the_negative_bound_summed_over_pixels():
    """The mean over pixels would weigh the KL term by their number."""
    model, images = vae(), torch.ones(2, 1, 8, 8)
    torch.manual_seed(1)
    losses = model.loss("autoencoder", {"images": images})
    torch.manual_seed(1)
    mean, log_variance = model.posterior(torch.bernoulli((images + 1) / 2) * 2 - 1)
    codes = mean + torch.randn_like(mean) * (log_variance / 2).exp()
    pixels = torch.nn.functional.softplus(-model.decoder(codes)).sum((1, 2, 3)).mean()
    assert losses["reconstruction"].item() == pytest.approx(pixels.item(), rel=1e-5)
    assert bernoulli_nll(torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)).item() == pytest.approx(64 * math.log(2))


def test_a_vae_is_trained_by_gradients_through_its_codes():
    """The reparametrised draw hands the decoder's error to the encoder."""
    model = vae()
    model.loss("autoencoder", {"images": torch.rand(4, 1, 8, 8) * 2 - 1})["reconstruction"].backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.encoder.parameters())


def test_latents_are_normal_with_mean_0_and_variance_1():
    latent = noise.normal(range(1000), (10,))
    assert latent.mean().item() == pytest.approx(0, abs=0.03)
    assert latent.std().item() == pytest.approx(1, abs=0.03)


def test_the_discriminator_of_a_conditional_gan_sees_the_label_too():
    torch.manual_seed(0)
    model = build("cgan", {"width": 8})
    model.prepare_training()
    model.eval()
    images, labels = torch.rand(1, 1, 28, 28), torch.tensor([3])
    assert not torch.equal(model.discriminator(images, labels), model.discriminator(images, labels + 1))


def cyclegan():
    torch.manual_seed(0)
    model = build("cyclegan", {"width": 8, "blocks": 1, "discriminator_width": 8, "identity": 0.0})
    model.prepare_training()
    return model


def test_a_cyclegan_has_two_generators_and_two_discriminators_and_pix2pix_one_of_each():
    generators, discriminators = cyclegan().players()
    assert (len(generators.modules), len(discriminators.modules)) == (2, 2)
    paired = build("pix2pix", {"size": 32, "width": 8})
    paired.prepare_training()
    assert [len(player.modules) for player in paired.players()] == [1, 1]


class Brighter(torch.nn.Module):
    """A translator that adds a quarter."""

    def forward(self, images):
        return images + 0.25


def test_the_cycle_loss_is_the_mean_distance_in_each_pixel_and_the_adversarial_one_least_squares():
    model = cyclegan()
    a, b = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    model.a_to_b, model.b_to_a = torch.nn.Identity(), Brighter()
    losses = model.loss("generators", {"a": a, "b": b})
    assert losses["cycle"].item() == pytest.approx(10 * (0.25 + 0.25), rel=1e-5)
    judged = model.judge_b(a), model.judge_a(b + 0.25)
    assert losses["adversarial"].item() == pytest.approx(sum(0.5 * (x - 1).square().mean().item() for x in judged))


def test_a_normal_over_images_does_not_hold_a_whole_covariance():
    """12,288² numbers of a picture of 64 x 64: it is shrunk to low rank and a diagonal."""
    model = build("gaussian", {"size": 64, "channels": 3, "rank": 8})
    assert parameter_count(model) == 12288 * (8 + 2) + 1


def test_a_wgans_critic_sees_the_images_themselves_without_noise_and_without_projections():
    model = build("wgan", {"size": 16, "latent": 4, "width": 4})
    model.prepare_training()
    seen = []
    model.discriminator.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    images = torch.rand(3, 1, 16, 16)
    model.loss("discriminator", {"images": images})
    assert any(torch.equal(each, images) for each in seen)


def test_the_levels_of_a_lapgan_say_what_the_level_below_lacks_and_learn_apart():
    model = build("lapgan", {"sides": (8, 16, 32), "latent": 4, "hidden": 8, "width": 4, "blocks": 1})
    model.prepare_training()
    low = torch.rand(2, 3, 32, 32) - 0.5
    for parameter in model.generators["32"].parameters():
        torch.nn.init.zeros_(parameter)
    assert torch.equal(model._generate(32, torch.randn(2, 32 * 32), low), low)
    sum(model.loss("generator-32", {"images": torch.rand(2, 3, 32, 32)}).values()).backward()
    assert all(parameter.grad is None for side in ("8", "16") for parameter in model.generators[side].parameters())


def test_a_bicyclegan_learns_from_pairs():
    """A translation that equals the answer to another picture is as far off as any."""
    model = build("bicyclegan", {"size": 64, "width": 4, "encoder_width": 4, "discriminator_width": 4})
    model.prepare_training()
    photos, maps = torch.rand(2, 2, 3, 64, 64)
    model.generator.forward = lambda images, latent: maps
    assert model.loss("generator_and_encoder", {"a": photos, "b": maps})["l1"] == 0
    assert model.loss("generator_and_encoder", {"a": photos, "b": maps.flip(0)})["l1"] > 1


def test_unit_decodes_a_code_of_one_domain_into_the_other_and_shares_the_blocks_between():
    model = build("unit", {"size": 16, "width": 4, "blocks": 2}).eval()
    images = torch.rand(1, 3, 16, 16)
    codes = model.encode(images, "AtoB")
    expected = model.generators["b"](model.shared_generator(codes))
    assert torch.equal(model.translate(images, "AtoB"), expected)
    shared = {*model.shared_encoder.parameters(), *model.shared_generator.parameters()}
    for direction in model.directions:
        model.zero_grad()
        model.translate(images, direction).sum().backward()
        assert all(parameter.grad is not None for parameter in shared), direction


def test_a_stargan_has_one_generator_and_one_critic_however_many_domains_and_keeps_the_size():
    few, many = (build("stargan", {"size": 64, "width": 4, "blocks": 1, "classes": classes}) for classes in (2, 40))
    told = 38 * next(few.generator.parameters())[:, :1].numel()
    assert parameter_count(many) - parameter_count(few) == told, "what is asked for enters as maps beside the picture"
    assert many.translate(torch.rand(1, 3, 64, 64), torch.eye(40)[:1]).shape == (1, 3, 64, 64)
    many.prepare_training()
    assert [player.name for player in many.players()] == ["critic", "generator"]


def test_a_stargans_critic_learns_the_domains_from_more_images_than_are_translated_and_sees_them_all_through_noise():
    model = build("stargan", {"size": 16, "width": 4, "blocks": 1, "critic_halvings": 2, "translated": 2, "noise": 0.1})
    model.prepare_training()
    seen, made = [], []
    model.critic.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    model.generator.register_forward_hook(lambda _, inputs, output: made.append(output.detach()))
    images = torch.zeros(6, 3, 16, 16)
    for player, judged in (("critic", [6, 2, 2]), ("generator", [2])):
        seen.clear()
        made.clear()
        losses = model.loss(player, {"images": images, "labels": torch.arange(6) % 3})
        assert all(loss.isfinite() for loss in losses.values())
        assert [len(batch) for batch in seen] == judged, "real ones, translations and what lies between; translations"
        assert all(len(batch) == 2 for batch in made), "for the critic, and for the generator there and back again"
        clean = {"critic": [images, made[0]], "generator": [made[0]]}[player]
        for shown, batch in zip(seen, clean, strict=False):
            assert (shown - batch).std().item() == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize("projection", [True, False])
def test_a_stargans_critic_asks_for_the_domain_only_by_projection(projection):
    """The sum of a verdict that all share and those of an image's own attributes."""
    model = build("stargan", {"size": 16, "width": 4, "blocks": 1, "critic_halvings": 2, "projection": projection})
    model.prepare_training()
    images, nothing = torch.rand(2, 3, 16, 16), torch.zeros(2, 3)
    first, second, both = (torch.tensor([[*wanted, 0.0]] * 2) for wanted in ((1, 0), (0, 1), (1, 1)))
    shared, one, other, sum_ = (model.critic(images, labels)[0] for labels in (nothing, first, second, both))
    assert torch.equal(one, other) is not projection
    assert torch.allclose(sum_, one + other - shared, atol=1e-5)


@pytest.mark.parametrize("player", ["critic", "generator"])
def test_a_stargans_critic_judges_an_image_as_what_it_is_and_a_translation_as_what_was_asked_for(player):
    torch.manual_seed(0)
    model = build("stargan", {"size": 16, "width": 4, "blocks": 1, "critic_halvings": 2, "projection": True})
    model.prepare_training()
    said, asked = [], []
    model.critic.register_forward_pre_hook(lambda _, given: said.append(given[1]))
    model.generator.register_forward_pre_hook(lambda _, given: asked.append(given[1][:, :, 0, 0]))
    labels = torch.arange(12) % 3
    model.loss(player, {"images": torch.rand(12, 3, 16, 16), "labels": labels})
    own = torch.nn.functional.one_hot(labels, 3).float()
    expected = {"critic": [own, asked[0], asked[0]], "generator": [asked[0]]}[player]
    assert not torch.equal(asked[0], own)
    assert all(map(torch.equal, said, expected)) and len(said) == len(expected)
