"""Checkpoints of the reference PyTorch code of pix2pix and CycleGAN (`latest_net_G.pth`) as models that Easel serves.

The layouts are those of its `ResnetGenerator` (`model.<place>`, `conv_block` in the residual blocks) and its
`UnetGenerator` (each level the `model` of a Sequential inside the level around it). What a file's names and shapes tell
is inferred; nothing else is guessed without saying so.
"""

from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from models import checkpoint
from models.capabilities import directions_of
from models.card import Card, Direction, ImportedFile, ImportRecord, Serving
from models.families.imported import Imported, ResNet, UNet
from models.model import build
from models.nn.norm import Norm
from models.nn.resnet import Padding
from pictures.formats import Channels, ImageFormat, channels_of
from tasks.operations import tasks_of

Statistics = Literal["stored", "picture"]
"""What batch norm normalises by: the statistics in the file, or those of each picture (see `docs/importing.md`)."""

_USUAL_SIZE = {6: 128, 9: 256}
"""Pixels that a ResNet of so many blocks is usual for (arXiv 1703.10593, section 7.1)."""
_DEEPEST = 10
"""Halvings of the largest U-Net that is taken: 1024 pixels."""
_RESNET_TRUNK = 10
"""Place of the first residual block."""
_NOTHING = torch.empty(0)


class NotImportable(ValueError):
    """A file, or a combination of files and options, that makes no model; the message says why."""


_PARTS = {
    "parametrizations.weight.original": "weight",
    "parametrizations.weight.0._u": "u",
    "parametrizations.weight.0._v": "v",
    "weight_orig": "weight",
    "weight_u": "u",
    "weight_v": "v",
    "weight": "weight",
    "bias": "bias",
    "running_mean": "running_mean",
    "running_var": "running_var",
    "num_batches_tracked": "num_batches_tracked",
}
"""What the tensors of a layer are, by the ends of their names; both spellings of torch's spectral norm."""

Layer = dict[str, Tensor]
"""The tensors of one layer by what they are (`_PARTS`)."""
Layers = dict[str, Layer]
"""By the layers' names in the file."""


@dataclass(frozen=True)
class Generator:
    """One generator as a file holds it."""

    network: UNet | ResNet
    places: Mapping[str, str]
    """The layers' names in the file, by the modules of the network that `network.build()` makes."""
    layers: Layers
    inferred: tuple[str, ...]
    """What follows from names and shapes, in words."""

    def __post_init__(self) -> None:
        """Raises `NotImportable` if there are layers that have no place."""
        if unknown := [name for name in self.layers if name not in self.places.values()]:
            raise NotImportable(f"it has layers that such a generator has not: {', '.join(unknown[:3])}")

    def load(self, network: nn.Module) -> None:
        """Puts the weights into what `self.network.build()` made. Raises `NotImportable` where they do not fit."""
        for module_name, module in network.named_modules():
            name = self.places.get(module_name, "")
            for part, wanted in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
                given = _given(self.layers.get(name, {}), part, isinstance(module, nn.ConvTranspose2d))
                if given is None:
                    raise NotImportable(f"it has no {name}.{part}")
                if given.shape != wanted.shape:
                    raise NotImportable(f"its {name}.{part} is {_shape(given)}, and {_shape(wanted)} in such a network")
                if not wanted.is_meta:
                    wanted.data.copy_(given)


@dataclass(frozen=True)
class ImportSettings:
    """What no file tells."""

    padding: Padding = "reflect"
    statistics: Statistics = "stored"
    size: int | None = None
    """Side of the pictures; what is usual for the network if absent."""
    domains: tuple[str, ...] = ("A", "B")
    licence: str = "unknown"


def import_files(name: str, family: str, files: Mapping[Direction, Path], settings: ImportSettings, zoo: Path) -> Card:
    """Writes the model `name` to `zoo/name`, from one generator for each direction.

    The weights stay in single precision, so that the model answers what the original does.

    Raises:
        NotImportable: the files hold something else, contradict each other, or the folder exists.
    """
    folder = zoo / name
    if folder.exists():
        raise NotImportable(f"{folder} exists already; choose another name, or remove it")
    generators: dict[Direction, Generator] = {direction: read(path, settings) for direction, path in files.items()}
    size, assumed = _size([generator.network for generator in generators.values()], settings)
    config = {
        _FIELDS[direction]: generator.network.model_dump(mode="json") for direction, generator in generators.items()
    }
    model = build(f"imported-{family}", config).eval()
    if not isinstance(model, Imported):
        raise NotImportable(f"imported-{family} is no family that files are taken into")
    for direction, generator in generators.items():
        generator.load(model.generators[direction])
    record = ImportRecord(
        files={way: ImportedFile(name=path.name, sha256=_digest(path)) for way, path in files.items()},
        inferred=tuple(dict.fromkeys(words for generator in generators.values() for words in generator.inferred)),
        assumed=assumed,
        date=datetime.now(UTC).date().isoformat(),
    )
    card = Card(
        name=name,
        family=f"imported-{family}",
        summary=_summary(directions_of(model), settings.domains),
        config=config,
        tasks=tasks_of(model),
        image=ImageFormat(height=size, width=size, channels=channels_of(model.channels)),
        native=model.native,
        domains=dict(zip(("A", "B"), settings.domains, strict=True)),
        directions=directions_of(model),
        imported=record,
        weights=checkpoint.write(model, folder, torch.float32),
        serving=Serving(max_batch=8),
        licence=settings.licence,
        limits="Imported, and measured on nothing here.",
    )
    card.write(folder)
    return card


_FIELDS: dict[Direction, str] = {"AtoB": "a_to_b", "BtoA": "b_to_a"}


def _summary(directions: tuple[Direction, ...], domains: tuple[str, ...]) -> str:
    source, target = domains if "AtoB" in directions else reversed(domains)
    return f"{source} to {target}{' and back' if len(directions) == 2 else ''}, imported"


def read(path: Path, settings: ImportSettings) -> Generator:
    """The generator in a file.

    Raises:
        NotImportable: it cannot be read, holds more than tensors by name, or is no generator of the reference code.
    """
    try:
        return recognise(_layers(_tensors(path)), settings)
    except NotImportable as error:
        raise NotImportable(f"{path}: {error}") from None


def recognise(layers: Layers, settings: ImportSettings) -> Generator:
    """The generator that these layers make up.

    Raises:
        NotImportable: they make up none that this knows.
    """
    if "model.model.0" in layers:
        generator = _unet(layers, settings)
    elif "model.1" in layers and any(name.startswith("model.10.conv_block.") for name in layers):
        generator = _resnet(layers, settings)
    elif "model.0" in layers:
        raise NotImportable("it is laid out like a discriminator (net_D); the generator is in a file named net_G")
    else:
        raise NotImportable(
            "it is no U-Net and no ResNet generator of the reference code: "
            f"it begins with {', '.join(list(layers)[:3])}"
        )
    with torch.device("meta"):
        generator.load(generator.network.build())
    return generator


def _unet(layers: Layers, settings: ImportSettings) -> Generator:
    """Each level around the next: `1` halves, `2` is its norm, `3` the level inside, `5` doubles, `6` is its norm."""
    places = {"first": "model.model.0", "last.1": "model.model.3"}
    here, ours, depth = "model.model.1.model", "levels", 1
    while True:
        innermost = f"{here}.3.model.1" not in layers
        up = 3 if innermost else 5
        places |= {f"{ours}.down.1": f"{here}.1", f"{ours}.up.1": f"{here}.{up}", f"{ours}.up.2": f"{here}.{up + 1}"}
        depth += 1
        if innermost:
            break
        places[f"{ours}.down.2"] = f"{here}.2"
        here, ours = f"{here}.3.model", f"{ours}.inner"
    if not 4 <= depth <= _DEEPEST:
        raise NotImportable(f"a U-Net of {depth} halvings is not taken, 4 to {_DEEPEST} are")
    first, last = _weight(layers, "model.model.0"), _weight(layers, "model.model.3")
    norm, norm_inferred = _norm(layers, "model.model.1.model.1", "model.model.1.model.2", settings)
    network = UNet(size=2**depth, width=len(first), norm=norm, takes=_channels(first, 1), makes=_channels(last, 1))
    inferred = (f"a U-Net of {depth} halvings (unet_{2**depth}), width {len(first)}", norm_inferred, _io(network))
    return Generator(network, places, layers, inferred)


def _resnet(layers: Layers, settings: ImportSettings) -> Generator:
    """Convolutions at `1`, `4` and `7`, blocks from `10` on, then two doublings and a convolution."""
    blocks = _RESNET_TRUNK
    while any(name.startswith(f"model.{blocks}.conv_block.") for name in layers):
        blocks += 1
    blocks -= _RESNET_TRUNK
    end = _RESNET_TRUNK + blocks
    outer = [1, 2, 4, 5, 7, 8, end, end + 1, end + 3, end + 4, end + 7]
    places = {f"net.{place}": f"model.{place}" for place in outer}
    inside, padded, dropout = _block(layers)
    for block in range(_RESNET_TRUNK, end):
        places |= {f"net.{block}.net.{ours}": f"model.{block}.conv_block.{theirs}" for theirs, ours in inside.items()}
    first, last = _weight(layers, "model.1"), _weight(layers, f"model.{end + 7}")
    norm, norm_inferred = _norm(layers, "model.1", "model.2", settings)
    padding = settings.padding if padded else "zero"
    network = ResNet(
        width=len(first),
        blocks=blocks,
        norm=norm,
        padding=padding,
        takes=_channels(first, 1),
        makes=_channels(last, 0),
    )
    inferred = (
        f"a ResNet of {blocks} blocks (resnet_{blocks}blocks), width {len(first)}",
        norm_inferred,
        "padded blocks" if padded else "blocks padded with zeros",
        f"trained {'with' if dropout else 'without'} dropout, which is off when it serves",
        _io(network),
    )
    return Generator(network, places, layers, inferred)


def _block(layers: Layers) -> tuple[dict[int, int], bool, bool]:
    """Where the layers of a residual block stand, theirs to ours, and whether it has layers that pad, and dropout.

    Layers without weights leave gaps: padding before each convolution, dropout before the second.
    """
    prefix = f"model.{_RESNET_TRUNK}.conv_block."
    kernels = [place for place in range(8) if _is_kernel(layers.get(f"{prefix}{place}", {}).get("weight", _NOTHING))]
    known = {(1, 5): (True, False), (1, 6): (True, True), (0, 3): (False, False), (0, 4): (False, True)}
    if tuple(kernels) not in known:
        raise NotImportable(f"the convolutions of its residual blocks stand at {kernels}, as in no layout known here")
    one, two = kernels
    return {one: 1, one + 1: 2, two: 5, two + 1: 6}, *known[one, two]


def _norm(layers: Layers, convolution: str, norm: str, settings: ImportSettings) -> tuple[Norm, str]:
    """The norm, and in words what it follows from. Instance norm has no weights of its own; the convolution before it
    has a bias then, which it has not before batch norm or without a norm."""
    found = layers.get(norm, {})
    if "weight" in found and "running_mean" in found:
        if settings.statistics == "picture":
            return "affine-instance", "batch norm, by each picture's own statistics"
        return "batch", "batch norm, by the statistics in the file"
    if "weight" in found:
        return "affine-instance", "instance norm with a learned scale"
    if "running_mean" in found:
        return "instance", "instance norm; its running statistics are left out, since it uses each picture's own"
    return ("instance", "instance norm") if "bias" in layers.get(convolution, {}) else ("none", "no norm")


def _channels(weight: Tensor, dimension: int) -> Channels:
    try:
        return channels_of(weight.shape[dimension])
    except ValueError as error:
        raise NotImportable(str(error)) from None


def _io(network: UNet | ResNet) -> str:
    words = {1: "grey", 3: "coloured"}
    return f"{words[network.takes]} pictures in, {words[network.makes]} ones out"


def _given(layer: Layer, part: str, transposed: bool) -> Tensor | None:
    """A parameter or buffer as the file has it. A bias that it lacks is 0, and counters do not matter."""
    if part == "weight" and "weight" in layer:
        return _folded(layer, transposed)
    if part == "bias" and part not in layer and "weight" in layer:
        weight = layer["weight"]
        return weight.new_zeros(weight.shape[1 if transposed else 0])
    return torch.tensor(0) if part == "num_batches_tracked" else layer.get(part)


def _folded(layer: Layer, transposed: bool) -> Tensor:
    """The weight, over its spectral norm u' W v if the file has that apart (arXiv 1802.05957, section 2.1).

    W has a row for each output channel, which a transposed convolution has in its second dimension.
    """
    weight = layer["weight"]
    if "u" not in layer and "v" not in layer:
        return weight
    if weight.dim() != 4:
        raise NotImportable("it has a spectral norm of something that is no convolution")
    rows = (weight.transpose(0, 1) if transposed else weight).flatten(1)
    u, v = layer.get("u"), layer.get("v")
    if u is None or v is None or (*u.shape, *v.shape) != tuple(rows.shape):
        raise NotImportable("the vectors of one of its spectral norms are missing or do not fit")
    sigma = u @ rows @ v
    if not sigma:
        raise NotImportable("one of its spectral norms is zero")
    return weight / sigma


def _weight(layers: Layers, name: str) -> Tensor:
    """The kernel of a convolution that has to be there, [out or in, in or out, height, width]."""
    weight = layers.get(name, {}).get("weight")
    if weight is None or not _is_kernel(weight):
        raise NotImportable(f"it has no {name}.weight, or one that is no convolution's")
    return weight


def _is_kernel(tensor: Tensor) -> bool:
    return tensor.dim() == 4 and tensor.numel() > 0


def _layers(state: Mapping[str, Tensor]) -> Layers:
    """The tensors by layer, without `module.`, which DataParallel puts before all names."""
    wrapped = all(name.startswith("module.") for name in state)
    layers: Layers = {}
    for name, value in state.items():
        end = next((end for end in _PARTS if name.endswith(f".{end}")), None)
        if end is None:
            raise NotImportable(f"{name} is no tensor of a layer that is known here")
        layer = name.removesuffix(f".{end}").removeprefix("module." if wrapped else "")
        layers.setdefault(layer, {})[_PARTS[end]] = value
    return layers


def _tensors(path: Path) -> dict[str, Tensor]:
    """A file's tensors by name, read without running anything that it says (`weights_only`)."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise NotImportable(f"it cannot be read: {error.strerror or error}") from None
    except pickle.UnpicklingError as error:
        culprit = re.search(r"GLOBAL (\S+)", str(error))
        named = f" ({culprit[1]})" if culprit else ""
        raise NotImportable(
            f"it holds more than weights{named}; save `network.state_dict()` and nothing else"
        ) from None
    except Exception as error:  # whatever an unpickler meets in bytes that are something else
        raise NotImportable(f"it is no PyTorch checkpoint ({type(error).__name__})") from None
    if not isinstance(found, Mapping) or not found:
        raise NotImportable(f"it holds {type(found).__name__}, not a state dict: tensors by name")
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise NotImportable(
                f"{name!r} in it is {type(value).__name__}; only a state dict, tensors by name, is taken"
            )
        if value.layout is not torch.strided or value.is_quantized or value.is_complex() or not value.isfinite().all():
            raise NotImportable(f"{name} in it is no plain tensor of finite numbers")
    return {name: value.float() if value.is_floating_point() else value for name, value in found.items()}


def _size(networks: Iterable[UNet | ResNet], settings: ImportSettings) -> tuple[int, tuple[str, ...]]:
    """The side of the pictures, and what was assumed of it, in words.

    Raises:
        NotImportable: the networks take no pictures of that size.
    """
    steps, usual = [], []
    for network in networks:
        steps.append(network.size if isinstance(network, UNet) else 4)
        usual.append(network.size if isinstance(network, UNet) else _USUAL_SIZE.get(network.blocks, 256))
    size = settings.size or max(usual)
    if wrong := [step for step in steps if size % step]:
        raise NotImportable(f"pictures of {size} pixels do not fit this network; it takes multiples of {wrong[0]}")
    assumed = f"pictures of {size} x {size} pixels, as is usual for such a network"
    return size, () if settings.size else (assumed,)


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a number"


def _digest(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
