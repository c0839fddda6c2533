from itertools import pairwise

import pytest
import torch
from torch import nn

from models.card import Task
from tests.importing.layouts.served import Imported, assert_same, noise
from tests.reference import trained


def generator(latent=12, width=4, channels=3, halvings=4):
    widths = [width * 2**power for power in reversed(range(halvings))]
    layers = [nn.ConvTranspose2d(latent, widths[0], 4, 1, 0, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU(True)]
    for inputs, outputs in pairwise(widths):
        layers += [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(True)]
    layers += [nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1, bias=False), nn.Tanh()]
    network = nn.Module()
    network.main = nn.Sequential(*layers)
    return trained(network)


@pytest.mark.parametrize(("channels", "halvings", "side"), [(3, 4, 64), (1, 3, 32), (3, 5, 128)])
def test_it_samples_as_it_did(tmp_path, channels, halvings, side):
    network = generator(channels=channels, halvings=halvings)
    imported = Imported(tmp_path, network.state_dict())
    latent = noise(3, 12)
    with torch.inference_mode():
        theirs = network.main(latent[:, :, None, None])
    assert_same(imported.answer(Task.SAMPLE, {"latent": latent}), theirs)
    assert (imported.card.image.width, imported.card.image.channels) == (side, channels)
    assert "(--layout dcgan-example)" in imported.told
