"""StarGAN's generator as its official code writes it down."""

import pytest
import torch
from torch import nn

from models.card import Task
from tests.importing.layouts.served import Imported, assert_same, pictures
from tests.reference import trained


def normed(features):
    return nn.InstanceNorm2d(features, affine=True, track_running_stats=True)


class Residual(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(features, features, 3, 1, 1, bias=False),
            normed(features),
            nn.ReLU(inplace=True),
            nn.Conv2d(features, features, 3, 1, 1, bias=False),
            normed(features),
        )

    def forward(self, x):
        return x + self.main(x)


class Generator(nn.Module):
    def __init__(self, conv_dim=4, c_dim=5, repeat_num=3):
        super().__init__()
        layers = [nn.Conv2d(3 + c_dim, conv_dim, 7, 1, 3, bias=False), normed(conv_dim), nn.ReLU(inplace=True)]
        for wide in (conv_dim * 2, conv_dim * 4):
            layers += [nn.Conv2d(wide // 2, wide, 4, 2, 1, bias=False), normed(wide), nn.ReLU(inplace=True)]
        layers += [Residual(conv_dim * 4) for _ in range(repeat_num)]
        for wide in (conv_dim * 2, conv_dim):
            layers += [nn.ConvTranspose2d(wide * 2, wide, 4, 2, 1, bias=False), normed(wide), nn.ReLU(inplace=True)]
        self.main = nn.Sequential(*layers, nn.Conv2d(conv_dim, 3, 7, 1, 3, bias=False), nn.Tanh())

    def forward(self, x, c):
        c = c.view(c.size(0), c.size(1), 1, 1).repeat(1, 1, x.size(2), x.size(3))
        return self.main(torch.cat([x, c], dim=1))


@pytest.mark.parametrize("statistics", [None, "picture", "stored"])
def test_it_translates_as_it_did(tmp_path, statistics):
    """Its own test never switches to evaluation mode, so that its norms go by each picture."""
    network = trained(Generator())
    options = ["--statistics", statistics] if statistics else []
    names = "Black_Hair,Blond_Hair,Brown_Hair,Male,Young"
    imported = Imported(tmp_path, network.state_dict(), *options, "--classes", names)
    assert imported.card.classes == tuple(names.split(","))
    assert ("assumed: norms by each picture's own statistics" in imported.told) == (statistics is None)
    images, targets = pictures(2), torch.tensor([[1.0, 0, 0, 1, 0], [0, 0, 1, 0, 1]])
    with torch.inference_mode():
        answer = imported.answer(Task.TRANSLATE, {"images": images, "targets": targets})
        assert_same(answer, network.train(statistics != "stored")(images, targets))
