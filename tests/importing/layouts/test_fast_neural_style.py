"""Fast neural style's network as PyTorch's examples write it down."""

import torch
import torch.nn.functional as F
from torch import nn

from models.card import Task
from tests.importing.layouts.served import Imported, assert_same, pictures
from tests.reference import trained


class Conv(nn.Module):
    def __init__(self, inputs, outputs, side, stride=1, upsample=None):
        super().__init__()
        self.upsample = upsample
        self.reflection_pad = nn.ReflectionPad2d(side // 2)
        self.conv2d = nn.Conv2d(inputs, outputs, side, stride)

    def forward(self, x):
        if self.upsample:
            x = F.interpolate(x, mode="nearest", scale_factor=self.upsample)
        return self.conv2d(self.reflection_pad(x))


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1, self.in1 = Conv(channels, channels, 3), nn.InstanceNorm2d(channels, affine=True)
        self.conv2, self.in2 = Conv(channels, channels, 3), nn.InstanceNorm2d(channels, affine=True)

    def forward(self, x):
        return self.in2(self.conv2(torch.relu(self.in1(self.conv1(x))))) + x


class TransformerNet(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.conv1, self.in1 = Conv(3, width, 9), nn.InstanceNorm2d(width, affine=True)
        self.conv2, self.in2 = Conv(width, width * 2, 3, 2), nn.InstanceNorm2d(width * 2, affine=True)
        self.conv3, self.in3 = Conv(width * 2, width * 4, 3, 2), nn.InstanceNorm2d(width * 4, affine=True)
        self.res1, self.res2, self.res3 = Residual(width * 4), Residual(width * 4), Residual(width * 4)
        self.res4, self.res5 = Residual(width * 4), Residual(width * 4)
        self.deconv1, self.in4 = Conv(width * 4, width * 2, 3, upsample=2), nn.InstanceNorm2d(width * 2, affine=True)
        self.deconv2, self.in5 = Conv(width * 2, width, 3, upsample=2), nn.InstanceNorm2d(width, affine=True)
        self.deconv3 = Conv(width, 3, 9)

    def forward(self, x):
        y = torch.relu(self.in1(self.conv1(x)))
        y = torch.relu(self.in2(self.conv2(y)))
        y = torch.relu(self.in3(self.conv3(y)))
        y = self.res5(self.res4(self.res3(self.res2(self.res1(y)))))
        y = torch.relu(self.in4(self.deconv1(y)))
        y = torch.relu(self.in5(self.deconv2(y)))
        return self.deconv3(y)


def test_it_stylizes_as_it_did_also_from_files_of_old_versions_of_torch(tmp_path):
    network = trained(TransformerNet(8))
    with torch.no_grad():
        network.deconv3.conv2d.weight *= 60  # values of 0 to 255
        network.deconv3.conv2d.bias += 127
    state = network.state_dict()
    leftovers = {
        f"{name.removesuffix('weight')}{part}": torch.rand(len(value))
        for name, value in state.items()
        if ".in" in f".{name}" and name.endswith("weight")
        for part in ("running_mean", "running_var")
    }
    images = pictures()
    with torch.inference_mode():
        theirs = network((images + 1) * 127.5).clamp(0, 255) / 127.5 - 1
        for place, saved in enumerate((state, {**state, **leftovers})):
            folder = tmp_path / str(place)
            folder.mkdir()
            imported = Imported(folder, saved)
            assert_same(imported.answer(Task.STYLIZE, {"images": images}), theirs)
    assert "running statistics are left out" in imported.told
