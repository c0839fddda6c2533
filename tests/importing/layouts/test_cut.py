"""CUT's generator as its code writes it down, with its filters."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from models.card import Task
from tests import reference
from tests.importing.layouts.served import Imported, assert_same, pictures
from tests.reference import trained


def filters(side, channels):
    row = np.array({3: [1.0, 2.0, 1.0], 4: [1.0, 3.0, 3.0, 1.0]}[side])
    square = torch.Tensor(row[:, None] * row[None, :])
    return (square / square.sum())[None, None].repeat((channels, 1, 1, 1))


class Downsample(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.register_buffer("filt", filters(3, channels))
        self.pad = nn.ReflectionPad2d([1, 1, 1, 1])

    def forward(self, x):
        return F.conv2d(self.pad(x), self.filt, stride=2, groups=x.shape[1])


class Upsample(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.register_buffer("filt", filters(4, channels) * 4)
        self.pad = nn.ReplicationPad2d([1, 1, 1, 1])

    def forward(self, x):
        doubled = F.conv_transpose2d(self.pad(x), self.filt, stride=2, padding=2, groups=x.shape[1])
        return doubled[:, :, 1:, 1:][:, :, :-1, :-1]


class Generator(nn.Module):
    def __init__(self, width=4, blocks=2, norm="instance", dropout=False, antialias_up=True):
        super().__init__()
        bias, normed = norm == "instance", reference.NORMS[norm]
        layers = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7, bias=bias), normed(width), nn.ReLU(True)]
        for wide in (width, width * 2):
            layers += [nn.Conv2d(wide, wide * 2, 3, stride=1, padding=1, bias=bias), normed(wide * 2), nn.ReLU(True)]
            layers += [Downsample(wide * 2)]
        layers += [reference.Block(width * 4, norm, dropout, "reflect") for _ in range(blocks)]
        for wide in (width * 4, width * 2):
            if antialias_up:
                layers += [Upsample(wide), nn.Conv2d(wide, wide // 2, 3, stride=1, padding=1, bias=bias)]
            else:
                layers += [nn.ConvTranspose2d(wide, wide // 2, 3, 2, 1, 1, bias=bias)]
            layers += [normed(wide // 2), nn.ReLU(True)]
        self.model = nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())

    def forward(self, x):
        return self.model(x)


def with_weights(**settings):
    network = Generator(**settings)
    kept = {name: value.clone() for name, value in network.state_dict().items() if name.endswith("filt")}
    trained(network).load_state_dict(kept, strict=False)
    return network


@pytest.mark.parametrize(
    "settings", [{}, {"norm": "batch"}, {"dropout": True}, {"antialias_up": False}, {"blocks": 3, "width": 6}]
)
def test_it_translates_as_it_did(tmp_path, settings):
    network = with_weights(**settings)
    imported = Imported(tmp_path, network.state_dict(), "--statistics", "stored")
    with torch.inference_mode():
        answer = imported.answer(Task.TRANSLATE, {"images": pictures()}, direction="AtoB")
        assert_same(answer, network(pictures()))


def test_two_of_them_go_both_ways(tmp_path):
    there, back = with_weights(), with_weights(width=6)
    torch.save(back.state_dict(), tmp_path / "back.pth")
    imported = Imported(tmp_path, there.state_dict(), "--back", str(tmp_path / "back.pth"))
    with torch.inference_mode():
        for direction, network in (("AtoB", there), ("BtoA", back)):
            answer = imported.answer(Task.TRANSLATE, {"images": pictures()}, direction=direction)
            assert_same(answer, network(pictures()))
