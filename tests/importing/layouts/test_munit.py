"""MUNIT's and UNIT's generators as their official code writes them down."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from models.card import Task
from tests.importing.layouts.served import Imported, assert_same, noise, pictures
from tests.reference import trained


class AdaptiveNorm(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.features, self.weight, self.bias = features, None, None
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))

    def forward(self, x):
        b, c = x.shape[:2]
        flat = x.contiguous().view(1, b * c, *x.shape[2:])
        mean, variance = self.running_mean.repeat(b), self.running_var.repeat(b)
        return F.batch_norm(flat, mean, variance, self.weight, self.bias, True, 0.1, 1e-5).view(b, c, *x.shape[2:])


class LayerNorm(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.rand(features)), nn.Parameter(torch.zeros(features))

    def forward(self, x):
        mean = x.view(x.size(0), -1).mean(1).view(-1, 1, 1, 1)
        std = x.view(x.size(0), -1).std(1).view(-1, 1, 1, 1)
        return (x - mean) / (std + 1e-5) * self.gamma.view(1, -1, 1, 1) + self.beta.view(1, -1, 1, 1)


class Conv(nn.Module):
    def __init__(self, inputs, outputs, side, stride, padding, norm="none", activation="relu"):
        super().__init__()
        self.pad = nn.ReflectionPad2d(padding)
        self.norm = {"none": lambda n: None, "in": nn.InstanceNorm2d, "adain": AdaptiveNorm, "ln": LayerNorm}[norm](
            outputs
        )
        self.activation = {"relu": nn.ReLU(), "tanh": nn.Tanh(), "none": None}[activation]
        self.conv = nn.Conv2d(inputs, outputs, side, stride)

    def forward(self, x):
        x = self.conv(self.pad(x))
        x = self.norm(x) if self.norm else x
        return self.activation(x) if self.activation else x


class Chain(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.model = nn.Sequential(*layers)

    def forward(self, x):
        return self.model(x)


class Residual(Chain):
    def __init__(self, dim, norm):
        super().__init__(Conv(dim, dim, 3, 1, 1, norm), Conv(dim, dim, 3, 1, 1, norm, "none"))

    def forward(self, x):
        return self.model(x) + x


def style_encoder(dim, style):
    layers = [Conv(3, dim, 7, 1, 3), Conv(dim, dim * 2, 4, 2, 1), Conv(dim * 2, dim * 4, 4, 2, 1)]
    layers += [Conv(dim * 4, dim * 4, 4, 2, 1), Conv(dim * 4, dim * 4, 4, 2, 1)]
    return Chain(*layers, nn.AdaptiveAvgPool2d(1), nn.Conv2d(dim * 4, style, 1, 1, 0))


def content_encoder(dim, downs, res):
    layers = [Conv(3, dim, 7, 1, 3, "in")]
    for _ in range(downs):
        layers += [Conv(dim, dim * 2, 4, 2, 1, "in")]
        dim *= 2
    return Chain(*layers, Chain(*[Residual(dim, "in") for _ in range(res)]))


def decoder(dim, downs, res, norm):
    dim = dim * 2**downs
    layers = [Chain(*[Residual(dim, norm) for _ in range(res)])]
    for _ in range(downs):
        layers += [nn.Upsample(scale_factor=2), Conv(dim, dim // 2, 5, 1, 2, "ln")]
        dim //= 2
    return Chain(*layers, Conv(dim, 3, 7, 1, 3, activation="tanh"))


class Linear(nn.Module):
    def __init__(self, inputs, outputs, activation=True):
        super().__init__()
        self.fc, self.activation = nn.Linear(inputs, outputs), activation

    def forward(self, x):
        return torch.relu(self.fc(x)) if self.activation else self.fc(x)


class AdaINGen(nn.Module):
    def __init__(self, dim=4, style=6, downs=2, res=2, mlp=10):
        super().__init__()
        self.enc_style = style_encoder(dim, style)
        self.enc_content = content_encoder(dim, downs, res)
        self.dec = decoder(dim, downs, res, "adain")
        wanted = sum(2 * module.features for module in self.dec.modules() if isinstance(module, AdaptiveNorm))
        self.mlp = Chain(Linear(style, mlp), Linear(mlp, mlp), Linear(mlp, wanted, activation=False))

    def decode(self, content, style):
        told = self.mlp(style.view(style.size(0), -1))
        for module in self.dec.modules():
            if isinstance(module, AdaptiveNorm):
                n = module.features
                module.bias, module.weight = told[:, :n].reshape(-1), told[:, n : 2 * n].reshape(-1)
                told = told[:, 2 * n :]
        return self.dec(content)


class VAEGen(nn.Module):
    def __init__(self, dim=4, downs=2, res=2):
        super().__init__()
        self.enc, self.dec = content_encoder(dim, downs, res), decoder(dim, downs, res, "in")


@pytest.mark.parametrize("sizes", [{}, {"downs": 3, "res": 1, "dim": 2}])
def test_munit_translates_both_ways_in_styles_that_are_drawn_or_taken(tmp_path, sizes):
    nets = {"a": trained(AdaINGen(**sizes), 1), "b": trained(AdaINGen(**sizes), 2)}
    imported = Imported(tmp_path, {name: net.state_dict() for name, net in nets.items()}, "--domains", "cat,dog")
    assert imported.card.directions == ("AtoB", "BtoA")
    images, style = pictures(), noise(2, 6)
    with torch.inference_mode():
        for direction, (source, target) in {"AtoB": ("a", "b"), "BtoA": ("b", "a")}.items():
            theirs = nets[target].decode(nets[source].enc_content(images), style[:, :, None, None])
            answer = imported.answer(Task.TRANSLATE, {"images": images, "latent": style}, direction=direction)
            assert_same(answer, theirs)
            taken = nets[target].enc_style(images).flatten(1)
            assert (imported.model.style(images, direction) - taken).abs().max() < 1e-4
    assert {"style_image", "cycle"} <= set(imported.card.tasks[Task.TRANSLATE])


def test_unit_translates_both_ways(tmp_path):
    nets = {"a": trained(VAEGen(), 1), "b": trained(VAEGen(), 2)}
    imported, images = Imported(tmp_path, {name: net.state_dict() for name, net in nets.items()}), pictures()
    with torch.inference_mode():
        for direction, (source, target) in {"AtoB": ("a", "b"), "BtoA": ("b", "a")}.items():
            theirs = nets[target].dec(nets[source].enc(images))
            assert_same(imported.answer(Task.TRANSLATE, {"images": images}, direction=direction), theirs)
