"""ONNX graphs as other code makes them: plain torch networks with random weights, exported by torch; and small ones
node by node, by onnx's own helpers."""

import io
import warnings
from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn


class DCGAN(nn.Module):
    """Latents [N, 16, 1, 1] to [N, 3, 32, 32] in [-1, 1]."""

    example = (torch.randn(2, 16, 1, 1),)

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.ConvTranspose2d(16, 16, 4), nn.BatchNorm2d(16), nn.ReLU(),
            nn.ConvTranspose2d(16, 8, 4, 2, 1), nn.BatchNorm2d(8), nn.ReLU(),
            nn.ConvTranspose2d(8, 8, 4, 2, 1), nn.ReLU(),
            nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh(),
        )  # fmt: skip

    def forward(self, z):
        return self.net(z)


class ChannelsLast(nn.Module):
    """Latents [N, 16] to [N, 28, 28, 1] in [0, 1], as Keras has it."""

    example = (torch.randn(2, 16),)

    def __init__(self):
        super().__init__()
        self.dense, self.net = nn.Linear(16, 8 * 49), nn.Sequential(
            nn.ConvTranspose2d(8, 8, 4, 2, 1), nn.LeakyReLU(0.2), nn.ConvTranspose2d(8, 1, 4, 2, 1), nn.Sigmoid()
        )  # fmt: skip

    def forward(self, z):
        return self.net(self.dense(z).view(-1, 8, 7, 7)).permute(0, 2, 3, 1)


class Flat(nn.Module):
    """Latents [N, 8] to [N, 784] in [-1, 1], as the first GAN of many tutorials."""

    example = (torch.randn(2, 8),)

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 784), nn.Tanh())

    def forward(self, z):
        return self.net(z)


class OneHot(nn.Module):
    """Latents [N, 8] and one-hot labels [N, 5] to [N, 1, 28, 28] in [0, 255]."""

    example = (torch.randn(2, 8), torch.eye(5)[:2])

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(13, 32), nn.ReLU(), nn.Linear(32, 784), nn.Tanh())

    def forward(self, z, c):
        return (self.net(torch.cat([z, c], 1)).view(-1, 1, 28, 28) + 1) * 127.5


class Indexed(nn.Module):
    """Latents [N, 8] and indices of classes [N] to [N, 3, 16, 16] in [-1, 1]."""

    example = (torch.randn(2, 8), torch.tensor([0, 1]))

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(7, 4)
        self.net = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 768), nn.Tanh())

    def forward(self, z, labels):
        return self.net(torch.cat([z, self.embedding(labels)], 1)).view(-1, 3, 16, 16)


class AnySize(nn.Module):
    """A translator of pictures of any size, multiples of 4, in [-1, 1]."""

    example = (torch.rand(2, 3, 32, 32),)
    open = (2, 3)

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1), nn.InstanceNorm2d(8), nn.ReLU(),
            nn.Conv2d(8, 8, 3, 2, 1), nn.InstanceNorm2d(8), nn.ReLU(),
            nn.ConvTranspose2d(8, 8, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh(),
        )  # fmt: skip

    def forward(self, x):
        return self.net(x)


class Twice(nn.Module):
    """Pictures of any size in [0, 1] to twice the size."""

    example = (torch.rand(2, 3, 32, 32),)
    open = (2, 3)

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1), nn.ReLU(), nn.Conv2d(8, 12, 3, 1, 1), nn.PixelShuffle(2))

    def forward(self, x):
        return self.net(x).clamp(0, 1)


class Style(nn.Module):
    """A style network of pictures in [0, 255] whose last layer is linear, as of PyTorch's examples."""

    example = (torch.rand(2, 3, 32, 32),)
    open = (2, 3)

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.ReflectionPad2d(4), nn.Conv2d(3, 8, 9), nn.InstanceNorm2d(8, affine=True), nn.ReLU(),
            nn.ReflectionPad2d(4), nn.Conv2d(8, 3, 9),
        )  # fmt: skip

    def forward(self, x):
        return self.net(x) * 100 + 128


class Smaller(nn.Module):
    """Grey pictures of 32 x 32 in [0, 1], as [N, 1, 32, 32], to coloured ones of 16 x 16."""

    example = (torch.rand(2, 1, 32, 32),)

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 3, 4, 2, 1), nn.Sigmoid())

    def forward(self, x):
        return self.net(x)


class Bytes(nn.Module):
    """An auto-encoder of [N, 28, 28, 1] bytes to bytes."""

    example = (torch.zeros(2, 28, 28, 1, dtype=torch.uint8),)

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(784, 16), nn.Tanh(), nn.Linear(16, 784), nn.Sigmoid())

    def forward(self, x):
        made = self.net(x.float().flatten(1) / 255)
        return (made * 255).round().to(torch.uint8).view(-1, 28, 28, 1)


class Domains(nn.Module):
    """Pictures of 32 x 32 in [-1, 1] and a one-hot domain [N, 3], as StarGAN's generator takes them."""

    example = (torch.rand(2, 3, 32, 32), torch.eye(3)[:2])

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(6, 8, 3, 1, 1), nn.ReLU(), nn.Conv2d(8, 3, 3, 1, 1), nn.Tanh())

    def forward(self, x, c):
        return self.net(torch.cat([x, c[:, :, None, None].expand(-1, -1, 32, 32)], 1))


def network(kind: type[nn.Module], seed: int = 0) -> nn.Module:
    """With random weights that are large enough for pictures that differ."""
    torch.manual_seed(seed)
    made = kind().eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(3 if parameter.dim() > 1 else 1)
    return made


def graph(kind: type[nn.Module], names=None, batch: int | None = None, seed: int = 0, made: str = "made") -> bytes:
    """A network as torch exports it.

    Args:
        names: of its inputs; input_1, input_2 … if absent.
        batch: rows, if it is to take that number alone.
    """
    example = tuple(each[[place % 2 for place in range(batch or 2)]] for each in kind.example)
    names = names or [f"input_{place}" for place in range(1, len(example) + 1)]
    axes = {name: {} if batch else {0: "batch"} for name in (*names, made)}
    for axis in getattr(kind, "open", ()):
        axes[names[0]][axis] = f"side{axis}"
        axes[made][axis] = f"made{axis}"
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network(kind, seed), example, buffer,
            input_names=names, output_names=[made], dynamic_axes=axes, dynamo=False,
        )  # fmt: skip
    return buffer.getvalue()


def small(nodes, initializers=(), made=TensorProto.FLOAT, shape=("n", 3, 8, 8), **more) -> onnx.ModelProto:
    """A graph of these nodes from `x` [n, 3, 8, 8] to `y`."""
    inside = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", made, None)],
        [numpy_helper.from_array(array, name) for name, array in dict(initializers).items()],
    )
    more = {"opset_imports": [helper.make_opsetid("", 18)], "ir_version": 10, **more}
    return helper.make_model(inside, **more)


def written(folder: Path, data: bytes | onnx.ModelProto, name: str = "model.onnx") -> Path:
    """A file of it."""
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.SerializeToString())
    return path
