"""Figures: each against a case whose value is known, and the mistakes that surveys make about them."""

import math

import pytest
import torch
from skimage import data

from evaluation.codes import cluster_error, neighbour_accuracy
from evaluation.coverage import mode_coverage
from evaluation.faces import face_detection_rate
from evaluation.frechet import frechet_distance
from evaluation.kernel import kernel_distance
from evaluation.manifold import precision_recall
from evaluation.parzen import log_density, parzen_log_likelihood
from evaluation.score import classifier_score
from models.clusters import k_means
from models.losses.likelihood import importance_bound
from models.model import build, final_images
from training.data import binarised


def cloud(count, dimensions=4, mean=0.0, scale=1.0, seed=0):
    return mean + scale * torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed))


def test_the_frechet_distance_is_that_of_normals_not_of_curves():
    """|μ₁ - μ₂|² + Σ(σ₁ - σ₂)² of independent dimensions, whatever the order of the points."""
    first, second = cloud(50_000), cloud(50_000, mean=0.5, scale=2.0, seed=1)
    assert frechet_distance(first, second) == pytest.approx(4 * 0.25 + 4 * 1.0, rel=0.03)
    assert frechet_distance(first, first.flip(0)) == pytest.approx(0, abs=1e-6)


def test_the_kernel_distance_is_unbiased_and_sees_a_shift():
    alike = [kernel_distance(cloud(500, seed=2 * i), cloud(500, seed=2 * i + 1), 1, 500) for i in range(40)]
    assert abs(sum(alike) / 40) < 0.01
    assert min(alike) < 0
    assert kernel_distance(cloud(500), cloud(500, mean=1.0, seed=1), 1, 500) > 0.5


def test_the_kernel_is_the_cubic_polynomial_of_the_paper():
    x, y = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[1.0, 1.0], [0.0, 0.0]])

    def kernel(a, b):
        return (float(a @ b) / 2 + 1) ** 3

    across = sum(kernel(a, b) for a in x for b in y) / 4
    expected = kernel(x[0], x[1]) + kernel(y[0], y[1]) - 2 * across
    assert kernel_distance(x, y, subsets=3) == pytest.approx(expected)


def test_the_classifier_score_is_the_number_of_classes_at_best_and_one_at_worst():
    """exp(H(y) - E H(y|x)): the entropies are subtracted. Added, sure and varied verdicts would not score highest."""
    sure = torch.eye(10).repeat(100, 1)[torch.randperm(1000, generator=torch.Generator().manual_seed(0))] * 50
    assert classifier_score(sure) == pytest.approx(10, rel=0.06)
    assert classifier_score(torch.zeros(1000, 10)) == pytest.approx(1)
    assert classifier_score(torch.eye(10)[:1].repeat(1000, 1) * 50) == pytest.approx(1)


def test_precision_falls_with_strange_samples_and_recall_with_missing_ones():
    real = torch.cat([cloud(300, 2, mean=-10), cloud(300, 2, mean=10, seed=1)])
    collapsed = cloud(300, 2, mean=10, seed=2)
    precision, recall = precision_recall(collapsed, real)
    assert precision > 0.9
    assert recall == pytest.approx(0.5, abs=0.06)
    strange = torch.cat([real[::2] + 1e-3, cloud(300, 2, mean=99, seed=3)])
    precision, recall = precision_recall(strange, real)
    assert precision == pytest.approx(0.5, abs=0.06)
    assert recall > 0.9


def test_a_kernel_density_has_one_kernel_on_each_sample():
    """Of two far points the density between them is low; one normal fitted to both would be highest there."""
    centres = torch.tensor([[0.0], [10.0]])
    at = log_density(torch.tensor([[0.0], [5.0]]), centres, 1.0)
    normal = -0.5 * math.log(2 * math.pi)
    assert at[0].item() == pytest.approx(normal - math.log(2), abs=1e-5)
    assert at[1].item() == pytest.approx(normal - 12.5, abs=1e-4)


def test_the_kernels_width_is_chosen_on_validation_not_on_the_test():
    samples, validation = cloud(2000, 2, scale=0.5), cloud(500, 2, scale=0.5, seed=1)
    found, width = parzen_log_likelihood(samples, validation, cloud(500, 2, scale=0.5, seed=2))
    truth = torch.distributions.Normal(0.0, 0.5).log_prob(cloud(500, 2, scale=0.5, seed=2)).sum(1).mean()
    assert 0.1 <= width < 0.3
    assert found.mean().item() == pytest.approx(truth.item(), abs=0.15)
    _, other = parzen_log_likelihood(samples, cloud(500, 2, scale=0.5, seed=1), cloud(5, 2, mean=9.0))
    assert other == width


def stacked(modes):
    """Images whose channels say their digit by their brightness, and a reader of it."""
    digits = torch.tensor(modes)
    images = digits[:, :, None, None].float().expand(-1, 3, 2, 2)
    return images, lambda channel: -(channel.mean((1, 2, 3))[:, None] - torch.arange(10.0)).square()


def test_mode_coverage_counts_triples_of_digits():
    everything = [[a, b, c] for a in range(10) for b in range(10) for c in range(10)]
    count, divergence = mode_coverage(*stacked(everything))
    assert (count, divergence) == (1000, pytest.approx(0, abs=1e-5))
    count, divergence = mode_coverage(*stacked([[1, 2, 3]] * 50 + [[3, 2, 1]] * 50))
    assert (count, divergence) == (2, pytest.approx(math.log(500), abs=1e-5))


def test_a_face_is_found_where_there_is_one():
    face = torch.from_numpy(data.astronaut()[:180, 140:320]).permute(2, 0, 1)[None].float() / 127.5 - 1
    face = torch.nn.functional.interpolate(face, 64, mode="area")
    cat = torch.from_numpy(data.chelsea()[100:200, 100:200]).permute(2, 0, 1)[None].float() / 127.5 - 1
    cat = torch.nn.functional.interpolate(cat, 64, mode="area")
    assert face_detection_rate(face) == 1
    assert face_detection_rate(torch.cat([face, cat, face, cat.flip(2)])) == 0.5


def test_codes_that_keep_classes_apart_are_found_by_neighbours_and_clusters():
    labels = torch.arange(300) % 3
    centres = torch.eye(3) * 20
    codes, references = centres[labels] + cloud(300, 3), centres[labels] + cloud(300, 3, seed=1)
    assert neighbour_accuracy(codes, labels, references, labels) == 1
    assert cluster_error(k_means(codes, 3), labels) == 0
    assert neighbour_accuracy(codes, labels, references, (labels + 1) % 3) == 0


def test_the_cluster_error_counts_all_but_each_clusters_majority():
    clusters, labels = torch.tensor([0, 0, 0, 1, 1]), torch.tensor([5, 5, 2, 2, 3])
    assert cluster_error(clusters, labels) == pytest.approx(2 / 5)


@pytest.fixture
def narrow():
    """A VAE of one latent dimension, whose likelihood can be integrated."""
    torch.manual_seed(0)
    made = build("vae", {"size": 8, "latent": 1, "width": 8, "network": "strided"}).eval().requires_grad_(False)
    for parameter in made.decoder.parameters():
        parameter.mul_(2)
    return made


def test_the_importance_bound_comes_to_the_integral_from_below(narrow):
    images = torch.bernoulli(torch.full((3, 1, 8, 8), 0.5), generator=torch.Generator().manual_seed(1))
    grid = torch.linspace(-8, 8, 4001)[:, None]
    logits = narrow.decoder(grid).flatten(1)
    likelihood = images.flatten(1) @ logits.T - torch.nn.functional.softplus(logits).sum(1)
    prior = torch.distributions.Normal(0.0, 1.0).log_prob(grid[:, 0])
    truth = (likelihood + prior).logsumexp(1) + math.log(16 / 4000)
    tight, loose = (final_images(narrow.score(images * 2 - 1, samples)) for samples in (5000, 5))
    assert torch.allclose(tight, truth, atol=0.05)
    assert loose.mean() < truth.mean()


def test_a_score_is_of_its_image_alone(narrow):
    images = torch.rand(4, 1, 8, 8) * 2 - 1
    assert torch.allclose(final_images(narrow.score(images))[2], final_images(narrow.score(images[2:3]))[0], atol=1e-3)


def test_the_bound_of_one_sample_is_its_weight_and_of_equal_weights_too():
    weights = torch.tensor([[-3.0], [-5.0]])
    assert importance_bound(weights[:1]).item() == -3
    assert importance_bound(weights[:1].expand(7, 1)).item() == pytest.approx(-3)
    assert -5 < importance_bound(weights).item() < -3


def test_pixels_are_made_black_or_white_once_with_their_brightness_as_probability():
    grey = torch.full((200, 1, 10, 10), 64, dtype=torch.uint8)
    found = binarised(grey)
    assert set(found.unique().tolist()) == {0, 255}
    assert (found > 0).float().mean().item() == pytest.approx(64 / 255, abs=0.01)
    assert torch.equal(found, binarised(grey))
    assert not torch.equal(found, binarised(grey, seed=1))
