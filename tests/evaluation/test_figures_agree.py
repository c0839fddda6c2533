"""Our figures against torchmetrics', on features of our own."""

import pytest
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore
from torchmetrics.image.kid import KernelInceptionDistance

from evaluation.fidelity import psnr
from evaluation.frechet import frechet_distance
from evaluation.kernel import kernel_distance
from evaluation.score import classifier_score

pytestmark = pytest.mark.filterwarnings("ignore:Metric .* will save all extracted features", "ignore:std")


class Features(torch.nn.Flatten):
    """Images that are their own features."""

    num_features = 8


@pytest.fixture
def clouds():
    """Two clouds of features, [300, 8] each, as images of one pixel."""
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(300, 8, 1, 1, generator=generator)
    return real, torch.randn(300, 8, 1, 1, generator=generator) * 1.3 + 0.4


def distance(metric, real, made):
    metric.update(real, real=True)
    metric.update(made, real=False)
    return metric.compute()


def test_the_frechet_distance(clouds):
    theirs = distance(FrechetInceptionDistance(Features(), input_img_size=(8, 1, 1)), *clouds)
    assert frechet_distance(*(cloud.flatten(1) for cloud in clouds)) == pytest.approx(theirs.item(), rel=1e-4)


def test_the_kernel_distance(clouds):
    theirs, _ = distance(KernelInceptionDistance(Features(), subsets=1, subset_size=300), *clouds)
    ours = kernel_distance(*(cloud.flatten(1) for cloud in clouds), subsets=1, size=300)
    assert ours == pytest.approx(theirs.item(), rel=1e-4)


def test_the_classifier_score(clouds):
    logits, _ = clouds
    metric = InceptionScore(Features(), splits=1)
    metric.update(logits)
    assert classifier_score(logits.flatten(1), splits=1) == pytest.approx(metric.compute()[0].item(), rel=1e-4)


def test_the_signal_to_noise_ratio():
    images, truth = torch.rand(2, 4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    theirs = peak_signal_noise_ratio(images, truth, data_range=2.0, dim=(1, 2, 3), reduction="none")
    assert torch.allclose(psnr(images, truth), theirs)
