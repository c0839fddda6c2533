"""BicycleGAN's networks as their official code writes them down."""

import pytest
import torch
from torch import nn

from models.card import Task
from tests.importing.layouts.served import Imported, assert_same, noise, pictures
from tests.reference import NORMS, trained


def upsampled(inputs, outputs, kind):
    if kind == "basic":
        return [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1)]
    return [nn.Upsample(scale_factor=2, mode="bilinear"), nn.ReflectionPad2d(1), nn.Conv2d(inputs, outputs, 3)]


class Block(nn.Module):
    """That of a generator which sees the style beside its input."""

    def __init__(self, inputs, outer, inner, sub=None, outermost=False, norm="instance", up="basic"):
        super().__init__()
        self.outermost, normed = outermost, NORMS[norm]
        down = [nn.Conv2d(inputs, inner, 4, 2, 1)]
        joined = inner if sub is None else inner * 2
        doubled = [nn.ReLU(True), *upsampled(joined, outer, up)]
        if outermost:
            layers = [*down, sub, *doubled, nn.Tanh()]
        elif sub is None:
            layers = [nn.LeakyReLU(0.2, True), *down, *doubled, normed(outer)]
        else:
            layers = [nn.LeakyReLU(0.2, True), *down, normed(inner), sub, *doubled, normed(outer)]
        self.model = nn.Sequential(*layers)

    def forward(self, x):
        return self.model(x) if self.outermost else torch.cat([self.model(x), x], 1)


class AddInput(nn.Module):
    def __init__(self, nz=8, downs=6, ngf=2, norm="instance", up="basic"):
        super().__init__()
        block = Block(ngf * 8, ngf * 8, ngf * 8, norm=norm, up=up)
        for _ in range(downs - 5):
            block = Block(ngf * 8, ngf * 8, ngf * 8, block, norm=norm, up=up)
        for factor in (4, 2, 1):
            block = Block(ngf * factor, ngf * factor, ngf * factor * 2, block, norm=norm, up=up)
        self.model = Block(3 + nz, 3, ngf, block, outermost=True, norm=norm, up=up)

    def forward(self, x, z):
        return self.model(torch.cat([x, z[:, :, None, None].expand(-1, -1, x.size(2), x.size(3))], 1))


class BlockWithZ(nn.Module):
    """That of a generator which sees it before each halving."""

    def __init__(self, inputs, outer, inner, nz, sub=None, outermost=False, norm="instance", up="basic"):
        super().__init__()
        self.outermost, normed = outermost, NORMS[norm]
        down = [nn.Conv2d(inputs + nz, inner, 4, 2, 1)]
        doubled = [nn.ReLU(True), *upsampled(inner if sub is None else inner * 2, outer, up)]
        if not outermost:
            down = [nn.LeakyReLU(0.2, True), *down, *([normed(inner)] if sub is not None else [])]
        doubled += [nn.Tanh()] if outermost else [normed(outer)]
        self.down, self.submodule, self.up = nn.Sequential(*down), sub, nn.Sequential(*doubled)

    def forward(self, x, z):
        x1 = self.down(torch.cat([x, z[:, :, None, None].expand(-1, -1, x.size(2), x.size(3))], 1))
        made = self.up(x1 if self.submodule is None else self.submodule(x1, z))
        return made if self.outermost else torch.cat([made, x], 1)


class AddAll(nn.Module):
    def __init__(self, nz=8, downs=6, ngf=2, norm="instance", up="basic"):
        super().__init__()
        block = BlockWithZ(ngf * 8, ngf * 8, ngf * 8, nz, norm=norm, up=up)
        for _ in range(downs - 5):
            block = BlockWithZ(ngf * 8, ngf * 8, ngf * 8, nz, block, norm=norm, up=up)
        for factor in (4, 2, 1):
            block = BlockWithZ(ngf * factor, ngf * factor, ngf * factor * 2, nz, block, norm=norm, up=up)
        self.model = BlockWithZ(3, 3, ngf, nz, block, outermost=True, norm=norm, up=up)

    def forward(self, x, z):
        return self.model(x, z)


class EncoderBlock(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        last = nn.Sequential(nn.Conv2d(inputs, outputs, 3, 1, 1), nn.AvgPool2d(2, 2))
        layers = [nn.InstanceNorm2d(inputs), nn.LeakyReLU(0.2, True), nn.Conv2d(inputs, inputs, 3, 1, 1)]
        self.conv = nn.Sequential(*layers, nn.InstanceNorm2d(inputs), nn.LeakyReLU(0.2, True), last)
        self.shortcut = nn.Sequential(nn.AvgPool2d(2, 2), nn.Conv2d(inputs, outputs, 1, 1, 0))

    def forward(self, x):
        return self.conv(x) + self.shortcut(x)


class Encoder(nn.Module):
    def __init__(self, nz=8, ndf=2, blocks=3):
        super().__init__()
        layers = [nn.Conv2d(3, ndf, 4, 2, 1)]
        layers += [EncoderBlock(ndf * min(4, n), ndf * min(4, n + 1)) for n in range(1, blocks)]
        self.conv = nn.Sequential(*layers, nn.LeakyReLU(0.2, True), nn.AvgPool2d(8))
        self.fc = nn.Sequential(nn.Linear(ndf * min(4, blocks), nz))
        self.fcVar = nn.Sequential(nn.Linear(ndf * min(4, blocks), nz))

    def forward(self, x):
        flat = self.conv(x).view(x.size(0), -1)
        return self.fc(flat), self.fcVar(flat)


@pytest.mark.parametrize("up", ["basic", "bilinear"])
@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize("kind", [AddInput, AddAll])
def test_it_translates_in_styles_that_are_drawn(tmp_path, kind, norm, up):
    network = trained(kind(norm=norm, up=up))
    imported = Imported(tmp_path, network.state_dict(), "--direction", "BtoA")
    assert imported.card.directions == ("BtoA",)
    assert "style_image" not in imported.card.tasks[Task.TRANSLATE]
    images, style = pictures(2, 64), noise(2, 8)
    with torch.inference_mode():
        answer = imported.answer(Task.TRANSLATE, {"images": images, "latent": style}, direction="BtoA")
        assert_same(answer, network(images, style))


@pytest.mark.parametrize("kind", [AddInput, AddAll])
def test_with_its_encoder_in_those_of_pictures_too(tmp_path, kind):
    network, encoder = trained(kind()), trained(Encoder())
    imported = Imported(
        tmp_path, network.state_dict(), "--with", str(tmp_path / "E.pth"), beside={"E.pth": encoder.state_dict()}
    )
    assert "style_image" in imported.card.tasks[Task.TRANSLATE]
    images, style_images = pictures(2, 64), pictures(2, 64).flip(2)
    with torch.inference_mode():
        style, _ = encoder(style_images)
        assert_same(imported.model.style(style_images, "AtoB"), style)
        answer = imported.answer(Task.TRANSLATE, {"images": images, "latent": style}, direction="AtoB")
        assert_same(answer, network(images, style))
