"""Normal distributions: densities, conditionals and fits against what is known of them."""

import math

import pytest
import torch

from models import noise
from models.families.gaussian import DEQUANTISED, LEVELS
from models.model import build
from models.nn.mixture import LowRankMixture, pick_by


@pytest.fixture
def mixture():
    """Three components over six dimensions, of rank two."""
    generator = torch.Generator().manual_seed(0)
    made = LowRankMixture(3, 6, 2).requires_grad_(False)
    for parameter in made.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.7)
    return made


def dense(mixture):
    """The same as torch's own distribution with whole covariances."""
    covariance = mixture.factors @ mixture.factors.mT + torch.diag_embed(mixture.log_noise.exp())
    components = torch.distributions.MultivariateNormal(mixture.means.double(), covariance.double())
    weights = torch.distributions.Categorical(logits=mixture.log_weights.double())
    return torch.distributions.MixtureSameFamily(weights, components)


def test_the_density_is_that_of_whole_covariances(mixture):
    x = torch.randn(5, 6, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(mixture.log_prob(x), dense(mixture).log_prob(x.double()))
    assert torch.allclose(mixture.joint(x, torch.ones(5, 6)), mixture.joint(x))


def test_a_marginal_density_ignores_what_is_not_known(mixture):
    x = torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
    known = torch.tensor([1.0, 0, 1, 1, 0, 1]).expand(4, 6)
    part = LowRankMixture(3, 4, 2).requires_grad_(False)
    kept = known[0].bool()
    part.log_weights.copy_(mixture.log_weights)
    for name in ("means", "factors", "log_noise"):
        getattr(part, name).copy_(getattr(mixture, name)[:, kept])
    found = mixture.joint(x + 100 * (1 - known), known)
    assert torch.allclose(found, part.joint(x[:, kept]))


def test_draws_have_the_moments_of_the_distribution(mixture):
    count, generator = 40_000, torch.Generator().manual_seed(2)
    pick = torch.full((count,), 1)
    drawn = mixture.draw(pick, torch.randn(count, 2, generator=generator), torch.randn(count, 6, generator=generator))
    component = dense(mixture).component_distribution
    assert torch.allclose(drawn.mean(0), component.mean[1], atol=0.05)
    assert torch.allclose(torch.cov(drawn.T), component.covariance_matrix[1], atol=0.15)


def test_draws_given_a_part_have_the_conditional_moments():
    """μ_u + Σ_uk Σ_kk⁻¹ (x_k - μ_k), and Σ_uu - Σ_uk Σ_kk⁻¹ Σ_ku."""
    generator = torch.Generator().manual_seed(3)
    one = LowRankMixture(1, 5, 2).requires_grad_(False)
    for parameter in one.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.7)
    covariance = dense(one).component_distribution.covariance_matrix[0]
    mean, k, u = one.means[0].double(), [0, 1, 2], [3, 4]
    x, count = torch.randn(5, generator=generator).double(), 60_000
    drawn = one.draw_given(
        x.expand(count, 5),
        torch.tensor([1.0, 1, 1, 0, 0]).expand(count, 5),
        torch.full((count,), 0.5),
        torch.randn(count, 2, generator=generator),
        torch.randn(count, 5, generator=generator),
    )[:, u]
    gain = covariance[u][:, k] @ covariance[k][:, k].inverse()
    assert torch.allclose(drawn.mean(0), mean[u] + gain @ (x[k] - mean[k]), atol=0.03)
    expected = covariance[u][:, u] - gain @ covariance[k][:, u]
    assert torch.allclose(torch.cov(drawn.T), expected, atol=0.06)


def test_what_is_known_picks_the_component():
    two = LowRankMixture(2, 2, 1).requires_grad_(False)
    two.means.copy_(torch.tensor([[-5.0, 1], [5, -1]]))
    x, known = torch.tensor([[-5.0, 0], [5, 0]]), torch.tensor([[1.0, 0]] * 2)
    nothing = torch.zeros(2, 1), torch.zeros(2, 2)
    for uniform in (0.01, 0.99):
        found = two.draw_given(x, known, torch.full((2,), uniform), *nothing)
        assert torch.allclose(found[:, 1], torch.tensor([1.0, -1], dtype=torch.float64))


def test_a_uniform_number_picks_by_probability():
    probabilities = torch.tensor([[0.2, 0.5, 0.3]]).repeat(4, 1)
    assert pick_by(probabilities, torch.tensor([0.1, 0.21, 0.69, 0.999999])).tolist() == [0, 1, 1, 2]


def digits(count, generator):
    """Images of two kinds: bright on the left or on the right, by a random amount."""
    images = torch.full((count, 1, 4, 4), -1.0)
    heights = (torch.rand(count, 1, 1, generator=generator) * 200).round() / LEVELS - 1
    images[: count // 2, 0, :, :2] = heights[: count // 2]
    images[count // 2 :, 0, :, 2:] = heights[count // 2 :]
    return images


def fitted(family, steps, **config):
    torch.manual_seed(0)
    found = build(family, {"size": 4, "rank": 2, "prior": 0.1, **config}).requires_grad_(False)
    told = [found.fit({"images": digits(400, torch.Generator().manual_seed(0))}, step) for step in range(steps)]
    return found, [float(losses["nll"]) for losses in told[1:]]


def test_two_components_hold_two_kinds_of_images_likelier_than_one():
    one, _ = fitted("gaussian", 1, rank=1)
    two, told = fitted("gmm", 5, components=2, rank=1)
    unseen = digits(100, torch.Generator().manual_seed(1))
    assert two.score(unseen).mean() > one.score(unseen).mean() + 5
    assert told[-1] <= told[0]
    assert two.mixture.log_weights.exp().tolist() == pytest.approx([0.5, 0.5], abs=0.02)


def test_a_score_is_that_of_pixel_levels():
    """All levels equally likely are 8 bits per pixel."""
    model = build("gaussian", {"size": 4, "rank": 1}).requires_grad_(False)
    model.mixture.log_noise.fill_(20.0)
    flat = model.score(torch.zeros(1, 1, 4, 4))
    density = -0.5 * (math.log(2 * math.pi) + 20.0) - math.log(LEVELS)
    assert flat.item() == pytest.approx(16 * density, rel=1e-4)


def test_no_pixel_has_less_variance_than_its_dequantisation():
    model, _ = fitted("gaussian", 1)
    assert model.mixture.log_noise.exp().min() >= DEQUANTISED * 0.999


def test_a_completed_image_is_of_the_kind_that_its_known_half_says():
    model, _ = fitted("gmm", 5, components=2)
    images = torch.full((2, 1, 4, 4), -1.0)
    images[0, 0, :, :2] = images[1, 0, :, 2:] = 0.5
    mask = torch.zeros(2, 1, 4, 4)
    mask[:, :, 2:] = 1
    made = model.complete(images, mask, noise.normal([1, 2], model.latent_shape))
    assert torch.allclose(made[:, :, 2:], images[:, :, 2:], atol=0.1)
