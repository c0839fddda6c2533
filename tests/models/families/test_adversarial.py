"""Adversarial losses, penalties and layers: each against a value that is known in closed form."""

import math

import pytest
import torch
import torch.nn.functional as F

from models.card import Task
from models.losses.adversarial import LeastSquares, Margin, NonSaturating, Variational, Wasserstein, adversarial
from models.losses.divergence import DIVERGENCES
from models.losses.matching import feature_matching, pull_away
from models.losses.penalty import clip_, gradient_penalty, zero_centred_penalty
from models.model import build, steps_of
from models.nn.minibatch import MinibatchDiscrimination
from models.nn.perceptron import Maxout
from tasks.operation import Rows
from tasks.operations import OPERATIONS

OUTPUTS = torch.linspace(-30, 30, 60_001, dtype=torch.float64)
"""V, fine enough that one of them is near the best."""
APART = 0.8
"""Between the means of two normals of variance 1."""

CLOSED_FORMS = {
    "kl": APART**2 / 2,
    "reverse-kl": APART**2 / 2,
    "pearson": math.exp(APART**2) - 1,
    "neyman": math.exp(APART**2) - 1,
    "squared-hellinger": 2 - 2 * math.exp(-(APART**2) / 8),
}


def best_bound(name, ratio):
    """sup_V of ratio * g_f(V) - f*(g_f(V)), which is f(ratio) (equation 3). [N] -> [N]."""
    row = DIVERGENCES[name]
    return (ratio[:, None] * row.activation(OUTPUTS) - row.conjugate(OUTPUTS)).amax(1)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_activation_and_conjugate_belong_to_their_divergence(name):
    ratio = torch.tensor([0.2, 0.7, 1.0, 1.5, 4.0], dtype=torch.float64)
    expected = DIVERGENCES[name].f(ratio)
    if name == "gan":  # its f and f* are shifted by what leaves f(1) = 0
        assert expected[2].item() == pytest.approx(0, abs=1e-12)
    assert torch.allclose(best_bound(name, ratio), expected, atol=1e-5)


def between_normals(function):
    """E_q function(p/q) for p = N(APART, 1), q = N(0, 1), by a sum over a grid."""
    x = torch.linspace(-9, 10, 1901, dtype=torch.float64)
    p, q = (torch.distributions.Normal(mean, 1.0).log_prob(x).exp() for mean in (APART, 0.0))
    return (q * function(p / q)).sum().item() * 0.01


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_the_best_discriminator_measures_the_divergence_of_two_normals(name):
    assert between_normals(lambda ratio: best_bound(name, ratio)) == pytest.approx(CLOSED_FORMS[name], rel=2e-3)


def test_the_first_gan_plays_for_twice_the_jensen_shannon_divergence():
    x = torch.linspace(-9, 10, 1901, dtype=torch.float64)
    p, q = (torch.distributions.Normal(mean, 1.0).log_prob(x).exp() for mean in (APART, 0.0))
    middle = (p + q) / 2
    twice = ((p * (p / middle).log() + q * (q / middle).log()).sum() * 0.01).item()
    for name in ("gan", "jensen-shannon"):
        assert between_normals(DIVERGENCES[name].f) == pytest.approx(twice, rel=1e-6)
        assert between_normals(lambda ratio, name=name: best_bound(name, ratio)) == pytest.approx(twice, rel=2e-3)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_a_variational_game_stays_finite_and_pulls_the_generator_towards_real(name):
    for output in (-20.0, 0.0, 20.0):
        fake = torch.tensor([output], requires_grad=True)
        loss = Variational(DIVERGENCES[name])
        assert math.isfinite(loss.discriminator(fake.detach(), fake.detach()).item())
        loss.generator(fake).backward()
        assert fake.grad.item() <= 0


def test_the_gan_row_is_the_game_of_the_logarithms():
    real, fake = torch.tensor([0.3, -1.0]), torch.tensor([0.5, 2.0])
    ours = Variational(DIVERGENCES["gan"]).discriminator(real, fake).item()
    assert ours == pytest.approx(NonSaturating().discriminator(real, fake).item() - math.log(4), rel=1e-5)


def test_a_critic_is_judged_by_the_difference_of_means():
    real, fake = torch.tensor([3.0, 5.0]), torch.tensor([1.0, 2.0])
    assert Wasserstein().discriminator(real, fake).item() == -2.5
    assert Wasserstein().generator(fake).item() == -1.5


def test_an_energy_beyond_the_margin_is_let_be():
    real, fake = torch.tensor([2.0]), torch.tensor([4.0, 12.0], requires_grad=True)
    loss = Margin(10.0).discriminator(real, fake)
    loss.backward()
    assert loss.item() == 2 + (10 - 4) / 2
    assert fake.grad.tolist() == [-0.5, 0]
    assert Margin(10.0).generator(fake).item() == 8


def test_objectives_are_found_by_name():
    assert isinstance(adversarial("least-squares"), LeastSquares)
    assert adversarial("non-saturating", smoothing=0.1).smoothing == 0.1
    assert adversarial("margin", margin=3.0).margin == 3
    assert adversarial("pearson").divergence is DIVERGENCES["pearson"]


def test_the_zero_centred_penalty_is_of_the_slopes_in_all_that_is_given():
    by_image, by_code = torch.randn(1, 2, 2), torch.randn(3)
    images, codes = torch.randn(4, 1, 2, 2), torch.randn(4, 3)
    penalty = zero_centred_penalty(lambda x, z: (by_image * x).sum((1, 2, 3)) + z @ by_code, images, codes)
    assert penalty.item() == pytest.approx((by_image.square().sum() + by_code.square().sum()).item(), rel=1e-5)
    assert not images.requires_grad


def test_the_gradient_penalty_is_of_the_critics_slope():
    weight = torch.full((1, 2, 2), 1.5, requires_grad=True)
    penalty = gradient_penalty(lambda x: (weight * x).sum((1, 2, 3)), torch.randn(4, 1, 2, 2), torch.randn(4, 1, 2, 2))
    assert penalty.item() == pytest.approx((3 - 1) ** 2)
    penalty.backward()
    assert (weight.grad > 0).all()


def test_clipping_bounds_every_weight():
    layer = torch.nn.Linear(3, 3)
    clip_(layer, 0.01)
    assert max(parameter.abs().max().item() for parameter in layer.parameters()) <= 0.01


def test_codes_pull_away_from_their_likes_whatever_their_sign_and_length():
    assert pull_away(torch.eye(3)).item() == 0
    assert pull_away(torch.tensor([[1.0, 1.0], [2.0, 2.0], [-1.0, -1.0]])).item() == pytest.approx(1)


def test_feature_matching_is_of_means_not_of_images():
    assert feature_matching(torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [1.0]])).item() == 0
    assert feature_matching(torch.zeros(2, 2), torch.ones(3, 2)).item() == 1


def test_minibatch_discrimination_counts_an_images_likes():
    layer = MinibatchDiscrimination(3, kernels=4, dimensions=2)
    features = torch.randn(5, 3)
    features[1] = features[0]
    told = layer(features)[:, 3:]
    rows = (features @ layer.project.weight.T).unflatten(1, (4, 2))
    expected = sum((-(rows[2] - rows[other]).abs().sum(1)).exp() for other in (0, 1, 3, 4))
    assert torch.allclose(told[2], expected, atol=1e-6)
    assert (told[0] >= 1).all()


def test_a_maxout_unit_is_the_largest_of_its_pieces():
    layer = Maxout(3, 2, pieces=4)
    x = torch.randn(5, 3)
    assert torch.allclose(layer(x)[:, 1], (x @ layer.linear.weight[4:].T + layer.linear.bias[4:]).amax(1), atol=1e-6)


def test_of_k_plus_one_classes_the_last_is_generated():
    """-log p(y ≤ K | x) - log p(y = K + 1 | G(z)), the last logit 0 (arXiv 1606.03498, section 5)."""
    real, fake = torch.randn(6, 10), torch.randn(6, 10)
    whole = [F.pad(logits, (0, 1)).log_softmax(1) for logits in (real, fake)]
    expected = -(1 - whole[0][:, 10].exp()).log().mean() - whole[1][:, 10].mean()
    assert NonSaturating().discriminator(real.logsumexp(1), fake.logsumexp(1)).item() == pytest.approx(expected.item())


def test_a_wgans_critic_is_clipped_after_its_turn_alone():
    model = build("wgan", {"size": 16, "width": 4, "latent": 2})
    model.after_step("generator")
    assert model.discriminator.head.weight.abs().max() > 0.01
    model.after_step("discriminator")
    assert model.discriminator.head.weight.abs().max() <= 0.01
    assert [player.turns for player in model.players()] == [5, 1]


@pytest.mark.parametrize("setting", [{"norm": True}, {"kernels": 5}])
def test_a_discriminator_that_ships_may_not_depend_on_the_batch(setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        build("wgan", {"size": 16, "width": 4, **setting})


@pytest.mark.parametrize(("family", "name"), [("wgan-gp", "critic"), ("ebgan", "energy")])
def test_a_discriminator_that_ships_scores_a_picture_by_itself(family, name):
    model = build(family, {"size": 16, "width": 4, "latent": 2}).eval()
    images = torch.rand(3, 1, 16, 16) * 2 - 1
    score = OPERATIONS[Task.SCORE]
    assert score.columns(model, card=None) == (name,)
    (step,) = steps_of(score.apply(model, Rows({"images": images}).tensors))
    assert step.images.shape == (3, 1)
    assert torch.allclose(step.images[1:2, 0], model.score(images[1:2]), atol=1e-5)
    if name == "energy":
        assert (step.images > 0).all()
