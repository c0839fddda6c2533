"""Generators as PyTorch-GAN's scripts write them down."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from models.card import Task
from tests.importing.layouts.served import Imported, assert_same, noise, pictures
from tests.reference import trained


class Perceptron(nn.Module):
    def __init__(self, latent=10, classes=0, shape=(1, 12, 12)):
        super().__init__()
        self.shape = shape
        if classes:
            self.label_emb = nn.Embedding(classes, classes)

        def block(inputs, outputs, normed=True):
            return [nn.Linear(inputs, outputs), *([nn.BatchNorm1d(outputs, 0.8)] if normed else []), nn.LeakyReLU(0.2)]

        numbers = shape[0] * shape[1] * shape[2]
        self.model = nn.Sequential(
            *block(latent + classes, 16, normed=False),
            *block(16, 32),
            *block(32, 48),
            nn.Linear(48, numbers),
            nn.Tanh(),
        )

    def forward(self, z, labels=None):
        if labels is not None:
            z = torch.cat((self.label_emb(labels), z), -1)
        return self.model(z).view(len(z), *self.shape)


class Growing(nn.Module):
    def __init__(self, latent=10, classes=0, channels=1, size=32, width=8):
        super().__init__()
        if classes:
            self.label_emb = nn.Embedding(classes, latent)
        self.init_size, self.width = size // 4, width
        self.l1 = nn.Sequential(nn.Linear(latent, width * self.init_size**2))
        self.conv_blocks = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(width, width, 3, stride=1, padding=1),
            nn.BatchNorm2d(width, 0.8),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(width, width // 2, 3, stride=1, padding=1),
            nn.BatchNorm2d(width // 2, 0.8),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(width // 2, channels, 3, stride=1, padding=1),
            nn.Tanh(),
        )

    def forward(self, z, labels=None):
        if labels is not None:
            z = torch.mul(self.label_emb(labels), z)
        return self.conv_blocks(self.l1(z).view(len(z), self.width, self.init_size, self.init_size))


class Block(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(features, features, 3),
            nn.InstanceNorm2d(features),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(features, features, 3),
            nn.InstanceNorm2d(features),
        )

    def forward(self, x):
        return x + self.block(x)


class ResNet(nn.Module):
    def __init__(self, width=4, blocks=2):
        super().__init__()
        layers = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7), nn.InstanceNorm2d(width), nn.ReLU(inplace=True)]
        for wide in (width, width * 2):
            layers += [nn.Conv2d(wide, wide * 2, 3, stride=2, padding=1), nn.InstanceNorm2d(wide * 2), nn.ReLU()]
        layers += [Block(width * 4) for _ in range(blocks)]
        for wide in (width * 4, width * 2):
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(wide, wide // 2, 3, stride=1, padding=1)]
            layers += [nn.InstanceNorm2d(wide // 2), nn.ReLU(inplace=True)]
        self.model = nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())

    def forward(self, x):
        return self.model(x)


class Down(nn.Module):
    def __init__(self, inputs, outputs, normalize=True, dropout=0.0):
        super().__init__()
        layers = [nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False)]
        layers += [nn.InstanceNorm2d(outputs)] if normalize else []
        layers += [nn.LeakyReLU(0.2)]
        layers += [nn.Dropout(dropout)] if dropout else []
        self.model = nn.Sequential(*layers)

    def forward(self, x):
        return self.model(x)


class Up(nn.Module):
    def __init__(self, inputs, outputs, dropout=0.0):
        super().__init__()
        layers = [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False), nn.InstanceNorm2d(outputs), nn.ReLU()]
        layers += [nn.Dropout(dropout)] if dropout else []
        self.model = nn.Sequential(*layers)

    def forward(self, x, skip):
        return torch.cat((self.model(x), skip), 1)


class UNet(nn.Module):
    def __init__(self, width=2):
        super().__init__()
        wide = width * 8
        self.down1 = Down(3, width, normalize=False)
        self.down2, self.down3 = Down(width, width * 2), Down(width * 2, width * 4)
        self.down4, self.down5 = Down(width * 4, wide, dropout=0.5), Down(wide, wide, dropout=0.5)
        self.down6, self.down7 = Down(wide, wide, dropout=0.5), Down(wide, wide, dropout=0.5)
        self.down8 = Down(wide, wide, normalize=False, dropout=0.5)
        self.up1, self.up2 = Up(wide, wide, 0.5), Up(wide * 2, wide, 0.5)
        self.up3, self.up4 = Up(wide * 2, wide, 0.5), Up(wide * 2, wide, 0.5)
        self.up5, self.up6, self.up7 = Up(wide * 2, width * 4), Up(width * 8, width * 2), Up(width * 4, width)
        self.final = nn.Sequential(
            nn.Upsample(scale_factor=2), nn.ZeroPad2d((1, 0, 1, 0)), nn.Conv2d(width * 2, 3, 4, padding=1), nn.Tanh()
        )

    def forward(self, x):
        d1 = self.down1(x)
        d2 = self.down2(d1)
        d3 = self.down3(d2)
        d4 = self.down4(d3)
        d5 = self.down5(d4)
        d6 = self.down6(d5)
        d7 = self.down7(d6)
        u = self.up1(self.down8(d7), d7)
        u = self.up2(u, d6)
        u = self.up3(u, d5)
        u = self.up4(u, d4)
        u = self.up5(u, d3)
        return self.final(self.up7(self.up6(u, d2), d1))


@pytest.mark.parametrize("shape", [(1, 12, 12), (3, 8, 8)])
def test_perceptrons_sample_as_they_did(tmp_path, shape):
    network = trained(Perceptron(shape=shape))
    imported, latent = Imported(tmp_path, network.state_dict()), noise(3, 10)
    with torch.inference_mode():
        assert_same(imported.answer(Task.SAMPLE, {"latent": latent}), network(latent))


def test_so_does_dcgan(tmp_path):
    network = trained(Growing(channels=3))
    imported, latent = Imported(tmp_path, network.state_dict()), noise(3, 10)
    assert imported.card.image.width == 32
    with torch.inference_mode():
        assert_same(imported.answer(Task.SAMPLE, {"latent": latent}), network(latent))


@pytest.mark.parametrize("kind", [Perceptron, Growing])
def test_so_do_those_of_classes(tmp_path, kind):
    network = trained(kind(classes=4))
    imported = Imported(tmp_path, network.state_dict(), "--classes", "cat,dog,bird,fish")
    assert imported.card.classes == ("cat", "dog", "bird", "fish")
    latent, labels = noise(4, 10), torch.tensor([0, 3, 1, 2])
    with torch.inference_mode():
        answer = imported.answer(Task.CONDITIONAL, {"latent": latent, "labels": labels})
        assert_same(answer, network(latent, labels))


def test_its_cyclegan_translates_as_it_did(tmp_path):
    network = trained(ResNet())
    imported = Imported(tmp_path, network.state_dict(), "--size", "32")
    with torch.inference_mode():
        answer = imported.answer(Task.TRANSLATE, {"images": pictures()}, direction="AtoB")
        assert_same(answer, network(pictures()))
    assert "pytorch-gan-resnet" in imported.told


def test_so_does_its_pix2pix(tmp_path):
    network = trained(UNet())
    imported = Imported(tmp_path, network.state_dict(), "--direction", "BtoA")
    images = pictures(1, side=256)
    with torch.inference_mode():
        assert_same(imported.answer(Task.TRANSLATE, {"images": images}, direction="BtoA"), network(images))
