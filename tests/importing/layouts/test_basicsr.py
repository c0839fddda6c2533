"""Networks that enlarge as BasicSR, ESRGAN's own code and SRCNN write them down."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from models.card import Task
from tests.importing.layouts.served import Imported, assert_same, pictures
from tests.reference import trained


class ResidualNoBN(nn.Module):
    def __init__(self, width, res_scale):
        super().__init__()
        self.res_scale = res_scale
        self.conv1, self.conv2 = nn.Conv2d(width, width, 3, 1, 1), nn.Conv2d(width, width, 3, 1, 1)

    def forward(self, x):
        return x + self.conv2(torch.relu(self.conv1(x))) * self.res_scale


class EDSR(nn.Module):
    def __init__(self, width=8, blocks=3, upscale=4, res_scale=1.0):
        super().__init__()
        self.mean = torch.Tensor((0.4488, 0.4371, 0.4040)).view(1, 3, 1, 1)
        self.conv_first = nn.Conv2d(3, width, 3, 1, 1)
        self.body = nn.Sequential(*[ResidualNoBN(width, res_scale) for _ in range(blocks)])
        self.conv_after_body = nn.Conv2d(width, width, 3, 1, 1)
        if upscale == 3:
            layers = [nn.Conv2d(width, 9 * width, 3, 1, 1), nn.PixelShuffle(3)]
        else:
            layers = []
            for _ in range(int(np.log2(upscale))):
                layers += [nn.Conv2d(width, 4 * width, 3, 1, 1), nn.PixelShuffle(2)]
        self.upsample = nn.Sequential(*layers)
        self.conv_last = nn.Conv2d(width, 3, 3, 1, 1)

    def forward(self, x):
        x = self.conv_first((x - self.mean) * 255)
        return self.conv_last(self.upsample(self.conv_after_body(self.body(x)) + x)) / 255 + self.mean


class MSRResNet(nn.Module):
    def __init__(self, width=8, blocks=2, upscale=4):
        super().__init__()
        self.upscale = upscale
        self.conv_first = nn.Conv2d(3, width, 3, 1, 1)
        self.body = nn.Sequential(*[ResidualNoBN(width, 1.0) for _ in range(blocks)])
        factor = 4 if upscale == 4 else upscale**2
        self.upconv1 = nn.Conv2d(width, width * factor, 3, 1, 1)
        if upscale == 4:
            self.upconv2 = nn.Conv2d(width, width * 4, 3, 1, 1)
        self.pixel_shuffle = nn.PixelShuffle(2 if upscale == 4 else upscale)
        self.conv_hr, self.conv_last = nn.Conv2d(width, width, 3, 1, 1), nn.Conv2d(width, 3, 3, 1, 1)
        self.lrelu = nn.LeakyReLU(0.1)

    def forward(self, x):
        out = self.lrelu(self.pixel_shuffle(self.upconv1(self.body(self.lrelu(self.conv_first(x))))))
        if self.upscale == 4:
            out = self.lrelu(self.pixel_shuffle(self.upconv2(out)))
        out = self.conv_last(self.lrelu(self.conv_hr(out)))
        return out + F.interpolate(x, scale_factor=self.upscale, mode="bilinear", align_corners=False)


class Dense(nn.Module):
    def __init__(self, width, growth):
        super().__init__()
        self.conv1 = nn.Conv2d(width, growth, 3, 1, 1)
        self.conv2 = nn.Conv2d(width + growth, growth, 3, 1, 1)
        self.conv3 = nn.Conv2d(width + 2 * growth, growth, 3, 1, 1)
        self.conv4 = nn.Conv2d(width + 3 * growth, growth, 3, 1, 1)
        self.conv5 = nn.Conv2d(width + 4 * growth, width, 3, 1, 1)
        self.lrelu = nn.LeakyReLU(0.2)

    def forward(self, x):
        x1 = self.lrelu(self.conv1(x))
        x2 = self.lrelu(self.conv2(torch.cat((x, x1), 1)))
        x3 = self.lrelu(self.conv3(torch.cat((x, x1, x2), 1)))
        x4 = self.lrelu(self.conv4(torch.cat((x, x1, x2, x3), 1)))
        return self.conv5(torch.cat((x, x1, x2, x3, x4), 1)) * 0.2 + x


class RRDB(nn.Module):
    def __init__(self, width, growth):
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = Dense(width, growth), Dense(width, growth), Dense(width, growth)

    def forward(self, x):
        return self.rdb3(self.rdb2(self.rdb1(x))) * 0.2 + x


class RRDBNet(nn.Module):
    def __init__(self, scale=4, width=8, blocks=2, growth=4):
        super().__init__()
        self.packed = {4: 1, 2: 2, 1: 4}[scale]
        self.conv_first = nn.Conv2d(3 * self.packed**2, width, 3, 1, 1)
        self.body = nn.Sequential(*[RRDB(width, growth) for _ in range(blocks)])
        self.conv_body, self.conv_up1 = nn.Conv2d(width, width, 3, 1, 1), nn.Conv2d(width, width, 3, 1, 1)
        self.conv_up2, self.conv_hr = nn.Conv2d(width, width, 3, 1, 1), nn.Conv2d(width, width, 3, 1, 1)
        self.conv_last = nn.Conv2d(width, 3, 3, 1, 1)
        self.lrelu = nn.LeakyReLU(0.2)

    def forward(self, x):
        if self.packed > 1:
            b, c, h, w = x.shape
            h, w = h // self.packed, w // self.packed
            x = x.view(b, c, h, self.packed, w, self.packed).permute(0, 1, 3, 5, 2, 4)
            x = x.reshape(b, c * self.packed**2, h, w)
        feat = self.conv_first(x)
        feat = feat + self.conv_body(self.body(feat))
        feat = self.lrelu(self.conv_up1(F.interpolate(feat, scale_factor=2, mode="nearest")))
        feat = self.lrelu(self.conv_up2(F.interpolate(feat, scale_factor=2, mode="nearest")))
        return self.conv_last(self.lrelu(self.conv_hr(feat)))


class Compact(nn.Module):
    def __init__(self, width=8, layers=3, upscale=4):
        super().__init__()
        self.upscale, self.body = upscale, nn.ModuleList([nn.Conv2d(3, width, 3, 1, 1), nn.PReLU(width)])
        for _ in range(layers):
            self.body += [nn.Conv2d(width, width, 3, 1, 1), nn.PReLU(num_parameters=width)]
        self.body.append(nn.Conv2d(width, 3 * upscale**2, 3, 1, 1))
        self.upsampler = nn.PixelShuffle(upscale)

    def forward(self, x):
        out = x
        for layer in self.body:
            out = layer(out)
        return self.upsampler(out) + F.interpolate(x, scale_factor=self.upscale, mode="nearest")


def weighed(network):
    """With weights that make pictures, which are neither flat nor beyond what is shown."""
    trained(network)
    with torch.no_grad(), torch.inference_mode():
        last = [module for module in network.modules() if isinstance(module, nn.Conv2d)][-1]
        shown = network((pictures(1, 16) + 1) / 2)
        factor = 0.5 / float(shown.std())
    with torch.no_grad():
        last.weight *= min(factor, 1)
        last.bias += 0.5 - float(network((pictures(1, 16) + 1) / 2).mean())
    return network


@torch.inference_mode()
def enlarged(network, images):
    return (network((images + 1) / 2) * 2 - 1).clamp(-1, 1)


CASES = {
    **{f"EDSR x{scale}": (lambda scale=scale: EDSR(upscale=scale), scale) for scale in (2, 3, 4)},
    **{f"MSRResNet x{scale}": (lambda scale=scale: MSRResNet(upscale=scale), scale) for scale in (2, 3, 4)},
    **{f"RRDBNet x{scale}": (lambda scale=scale: RRDBNet(scale), scale) for scale in (1, 2, 4)},
    **{f"SRVGGNetCompact x{scale}": (lambda scale=scale: Compact(upscale=scale), scale) for scale in (2, 4)},
}


@pytest.mark.parametrize("case", CASES)
def test_it_enlarges_as_it_did(tmp_path, case):
    make, scale = CASES[case]
    network = weighed(make())
    imported, images = Imported(tmp_path, {"params": network.state_dict()}), pictures(1, 16)
    assert imported.card.scales == (scale,)
    assert_same(imported.answer(Task.UPSCALE, {"images": images}, scale=scale), enlarged(network, images))


def test_the_residuals_of_a_wide_edsr_are_scaled_as_its_paper_has_it(tmp_path):
    network = weighed(EDSR(width=256, blocks=1, upscale=2, res_scale=0.1))
    imported, images = Imported(tmp_path, {"params": network.state_dict()}), pictures(1, 8)
    assert "assumed: residuals of blocks times 0.1" in imported.told
    assert_same(imported.answer(Task.UPSCALE, {"images": images}, scale=2), enlarged(network, images))


def test_averaged_weights_go_before_others_and_it_is_said(tmp_path):
    network, other = weighed(RRDBNet()), weighed(RRDBNet())
    saved = {"params": other.state_dict(), "params_ema": network.state_dict()}
    imported, images = Imported(tmp_path, saved), pictures(1, 16)
    assert "found: the weights, which are averaged, under params_ema; left out: params" in imported.told
    assert_same(imported.answer(Task.UPSCALE, {"images": images}, scale=4), enlarged(network, images))


def test_the_names_of_esrgans_own_code_are_known(tmp_path):
    network = weighed(RRDBNet())
    renamed = {
        name.replace("body.", "RRDB_trunk.", 1).replace("rdb", "RDB") if name.startswith("body.") else name: value
        for name, value in network.state_dict().items()
    }
    for ours, theirs in (("conv_body", "trunk_conv"), ("conv_up", "upconv"), ("conv_hr", "HRconv")):
        renamed = {name.replace(ours, theirs): value for name, value in renamed.items()}
    imported, images = Imported(tmp_path, renamed), pictures(1, 16)
    assert "--layout esrgan" in imported.told
    assert_same(imported.answer(Task.UPSCALE, {"images": images}, scale=4), enlarged(network, images))


def test_srcnn_sharpens_the_luminance_of_the_bicubic_picture(tmp_path):
    """But for the two pixels along the border, which Pillow enlarges in another way."""
    network = trained(
        nn.ModuleDict(
            {
                "conv1": nn.Conv2d(1, 8, 9, padding=4),
                "conv2": nn.Conv2d(8, 4, 5, padding=2),
                "conv3": nn.Conv2d(4, 1, 5, padding=2),
            }
        )
    )
    scale, side = 2, 24
    imported, images = Imported(tmp_path, network.state_dict(), "--scale", "2"), pictures(1, side) * 0.5
    bands = [
        Image.fromarray(band.numpy(), "F").resize((side * scale, side * scale), Image.BICUBIC) for band in images[0]
    ]
    large = torch.stack([torch.from_numpy(np.array(band)) for band in bands])[None]
    red, green, blue = ((large + 1) * 127.5).unbind(1)
    before = (16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255)[:, None] / 255
    with torch.inference_mode():
        x = torch.relu(network["conv2"](torch.relu(network["conv1"](before))))
        after = network["conv3"](x).clamp(0, 1)
    gain = 255 / (65.481 + 128.553 + 24.966)
    theirs = (large + 2 * gain * (after - before)).clamp(-1, 1)
    answer = imported.answer(Task.UPSCALE, {"images": images}, scale=scale)
    inner = slice(16, -16)
    assert_same(answer[:, :, inner, inner], theirs[:, :, inner, inner])
