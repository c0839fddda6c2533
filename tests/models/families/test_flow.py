"""Flows: invertible to the last level of grey, with a likelihood that is what calculus and probability say it is."""

import math

import pytest
import torch

from models import checkpoint, noise
from models.families.flow import BLACK_MEAN
from models.model import build
from models.nn.coupling import ActNorm, Glow, InvertibleConv
from models.registry import SHIPPED, Registry


def moved(network):
    """A new flow is almost the identity; as if it had been trained, this one is not."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return network.eval().requires_grad_(False)


def toy(**config):
    torch.manual_seed(0)
    return moved(build("glow", {"size": 8, "depth": 2, "width": 8, **config}))


def test_the_log_determinant_is_that_of_the_jacobian():
    torch.manual_seed(0)
    flow = moved(Glow(1, 4, levels=2, depth=1, width=4).double())
    images = torch.randn(3, 1, 4, 4, dtype=torch.double)
    _, told = flow(images)
    for image, log_det in zip(images, told, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda x: flow(x[None])[0][0], image).flatten(1)
        assert log_det.item() == pytest.approx(torch.linalg.slogdet(jacobian).logabsdet.item(), abs=1e-8)
    assert told.std() > 0.01, "it differs from image to image"


def test_the_inverse_undoes_the_flow():
    flow = toy().network
    images = torch.randn(16, 1, 8, 8)
    assert (flow.inverse(flow(images)[0]) - images).abs().max() < 1e-4
    latents = torch.randn(16, 64)
    assert (flow(flow.inverse(latents))[0] - latents).abs().max() < 1e-3


@torch.inference_mode()
def test_the_shipped_flow_goes_back_within_a_ten_thousandth():
    entry = Registry([SHIPPED])["mnist-glow"]
    network = checkpoint.read(entry.folder, entry.card).network
    images = network.inverse(noise.normal(range(16), (784,)))
    assert (network.inverse(network(images)[0]) - images).abs().max() < 1e-4


def test_a_picture_comes_back_from_its_code_exactly():
    model = toy()
    levels = torch.arange(256).reshape(4, 1, 8, 8)
    images = levels / 127.5 - 1
    decoded = model.decode(model.encode(images))
    assert torch.equal(((decoded + 1) * 127.5).round().long(), levels)


def test_every_dimension_of_the_latent_counts():
    """Factored-out latents are part of the code: without them reconstructions would be random in part."""
    decoded = toy().network.inverse(torch.cat([torch.zeros(1, 64), torch.eye(64)]))
    assert (decoded[1:] - decoded[:1]).abs().amax((1, 2, 3)).min() > 1e-3


def test_an_untrained_actnorm_takes_scale_and_shift_from_its_first_batch_alone():
    norm = ActNorm(3)
    batch = torch.randn(50, 3, 4, 4) * torch.tensor([0.1, 1.0, 9.0])[:, None, None] + 5
    norm.eval()(batch)
    assert not norm.ready
    normed, _ = norm.train()(batch)
    assert torch.allclose(normed.mean((0, 2, 3)), torch.zeros(3), atol=1e-3)
    assert torch.allclose(normed.std((0, 2, 3)), torch.ones(3), atol=2e-2)
    before = norm.shift.clone()
    norm(batch + 100)
    assert torch.equal(norm.shift, before)
    again = ActNorm(3).train()
    again.load_state_dict(norm.state_dict())
    again(batch + 100)
    assert torch.equal(again.shift, before), "a resumed run does not begin anew"


def test_a_convolutions_inverse_is_computed_on_going_into_evaluation():
    convolution = InvertibleConv(6).train()
    with torch.no_grad():
        convolution.log_scale.add_(0.3)
        convolution.upper.add_(0.1)
    convolution.eval()
    assert torch.allclose(convolution.inverted @ convolution.weight(), torch.eye(6), atol=1e-5)
    _, log_det = convolution(torch.randn(1, 6, 2, 2))
    assert log_det.item() == pytest.approx(4 * torch.linalg.slogdet(convolution.weight()).logabsdet.item(), abs=1e-5)


def test_the_score_is_a_bound_of_the_probability_of_8_bit_pixels():
    """With no step of flow, a pixel's probability is the normal's mass in its bin."""
    model = build("glow", {"size": 2, "levels": 1, "depth": 0})
    levels = torch.tensor([[1, 77, 128, 254], [0, 1, 200, 255]])
    images = (levels / 127.5 - 1).reshape(2, 1, 2, 2)
    edges = torch.special.ndtr(torch.stack([levels, levels + 1]).double() / 128 - 1)
    edges[0][levels == 0] = 0  # black is everything below the first grey
    exact = (edges[1] - edges[0]).log().sum(1)
    score = model.score(images)
    assert score[0].item() == pytest.approx(exact[0].item(), abs=0.01)
    assert score[1] < exact[1]
    assert score[1] > exact[1] - 5, "the normal is wider than the black that is put there"


def test_a_background_costs_nothing_once_the_flow_knows_it():
    """The bound is tight where the flow's density is that of the noise that fills black's bin."""
    model = build("glow", {"size": 2, "levels": 1, "depth": 1, "width": 8}).eval()
    norm = model.network.levels[0][0]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        norm.shift.fill_(-BLACK_MEAN)
        norm.log_scale.fill_(math.log(8))
    black = torch.full((1, 1, 2, 2), -1.0)
    assert model.score(black).item() == pytest.approx(0, abs=0.01)
