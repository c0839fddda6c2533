"""Figures of translators: who is found among a hundred, how far styles are apart, what a judge sees."""

from math import comb

import pytest
import torch

from evaluation.diversity import diversity
from evaluation.retrieval import retrieval, thumbnails
from evaluation.translations import _cut, _requests, judged_right


def test_what_equals_its_truth_is_always_found_and_what_is_farthest_never():
    truth = torch.randn(120, 4, generator=torch.Generator().manual_seed(0))
    assert retrieval(truth, truth) == pytest.approx(1)
    assert retrieval(truth - 100 * truth.mean(0) - 100 * truth, truth) < 0.01


def test_retrieval_is_the_mean_over_all_draws_of_the_others():
    truth = torch.arange(5.0)[:, None]
    found = torch.tensor([[0.0], [2.2], [2.0], [3.0], [2.1]])
    # 2.2 is for 1, and has 2 and 3 nearer; 2.1 is for 4, and has 2, 3 and 1.
    chances = [1, comb(2, 2) / comb(4, 2), 1, 1, 0]
    assert retrieval(found, truth, ways=3) == pytest.approx(sum(chances) / 5)


def test_retrieval_by_chance_is_one_in_the_number_of_ways():
    generator = torch.Generator().manual_seed(0)
    found, truth = torch.randn(2, 2000, 8, generator=generator)
    assert retrieval(found, truth) == pytest.approx(0.01, abs=0.005)


def test_thumbnails_do_not_see_what_all_images_share():
    images = torch.rand(6, 3, 32, 32)
    assert torch.allclose(thumbnails(images), thumbnails(images * 0.5 + torch.rand(3, 32, 32)), atol=1e-4)


def test_diversity_is_the_mean_distance_of_pairs():
    variants = torch.rand(3, 4, 1, 2, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    pairs = [(i, j) for i in range(4) for j in range(i)]
    squares = torch.stack([(variants[:, i] - variants[:, j]).square().mean((1, 2, 3)) for i, j in pairs]).mean(0)
    assert diversity(variants) == pytest.approx((squares.sqrt() / 2).mean().item(), rel=1e-5)
    assert diversity(variants[:, :1].expand(-1, 5, -1, -1, -1)) == pytest.approx(0, abs=1e-6)


def test_every_image_is_asked_to_become_each_other_domain_or_to_change_each_attribute():
    one = list(_requests("one", torch.tensor([0, 1, 1]), 2))
    assert [(rows.tolist(), wanted.argmax(1).tolist()) for rows, wanted in one] == [([1, 2], [0, 0]), ([0], [1])]
    labels = torch.tensor([[0.0, 1.0]])
    assert [wanted.tolist() for _, wanted in _requests("many", labels, 2)] == [[[1, 1]], [[0, 0]]]


def test_verdicts_on_classes_and_on_attributes():
    assert judged_right(torch.tensor([[2.0, 1.0], [0.0, 1.0]]), torch.tensor([0, 0])).tolist() == [True, False]
    attributes = judged_right(torch.tensor([[2.0, -1.0]]), torch.tensor([[1.0, 1.0]]))
    assert attributes.tolist() == [[True, False]]


def test_patches_are_pieces_of_the_images():
    images = torch.arange(2 * 64 * 64.0).view(2, 1, 64, 64)
    patches = _cut(images)
    assert patches.shape == (8, 1, 32, 32)
    assert torch.equal(patches[5], images[1, :, :32, 32:])
