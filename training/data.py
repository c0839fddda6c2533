"""Training data: pictures of a folder or a zip, decoded once, from which any step's batch can be drawn again."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import product
from pathlib import Path, PurePosixPath
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from models.card import DataRecord
from models.model import Batch
from models.nn.bicubic import reduced
from models.nn.edges import edges
from models.nn.text import bags
from pictures import codec
from pictures.formats import Channels, channels_of
from training import captions, medley, paintings
from training.captions import Captions
from training.datasets.cache import Told, decoded
from training.datasets.layouts import read_as, recognise
from training.datasets.listing import Listing, Splits
from training.datasets.named import DATASETS, archive
from training.datasets.pixels import MAX_PIXELS, channels
from training.datasets.spec import DataSpec
from training.datasets.splits import divided
from training.datasets.tree import Tree, read_tree
from training.masks import hide


@dataclass(frozen=True)
class Contents:
    """What one split of a data set holds: pictures of one size, uint8 [N, C, S, S], by field."""

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
    broken: Mapping[str, str] = field(default_factory=dict)
    """Files that were left out, and what is wrong with each."""


ALL_ROWS = slice(None)

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
    broken: Mapping[str, str] = {}
    """Files that were left out, and what is wrong with each."""

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
    def batch(self, count: int, seed: int, share: slice = ALL_ROWS) -> dict[str, Tensor]:
        """`count` random, augmented examples; the same `seed` gives the same batch.

        Args:
            share: the rows of it that are wanted.
        """

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
            raise ValueError(f"{self.spec.name} was read without captions, and the model takes texts")
        return self.captions


class Squares(Source):
    """Square pictures of one size, uint8 [N, C, S, S]."""

    def __init__(self, spec: DataSpec, contents: Contents, record: DataRecord):
        super().__init__(spec, contents.labels, contents.classes, record)
        self._fields = contents.fields
        self.paired = contents.paired
        self.names = contents.names
        self.captions = contents.captions
        self.broken = contents.broken
        self._known = _of_each(contents.labels, spec.known) if spec.known else None

    @property
    def fields(self) -> dict[str, Tensor]:
        return self._fields

    def batch(self, count: int, seed: int, share: slice = ALL_ROWS) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        batch: dict[str, Tensor] = {}
        first, *others = self.fields.items()
        rows, windows = self._drawn(first[1], count, generator)
        batch[first[0]] = self._taken(first[1], rows, windows, share)
        for name, pictures in others:
            if not self.paired:
                rows, windows = self._drawn(pictures, count, generator)
            batch[name] = self._taken(pictures, rows, windows, share)
        if self._known is not None:
            places, labels = self._known
            few = torch.randint(len(places), (count,), generator=generator)
            batch |= {"known": self.fields["images"][places[few][share]], "labels": labels[few][share]}
        elif self.labels is not None:
            batch["labels"] = self.labels[rows[share]]
        if self.captions is not None:
            batch["text"] = bags(self.captions.draw([self.names[row] for row in rows], generator)[share])
        if self.spec.masks is not None:
            side, seeds = self.spec.crop or self.spec.size, torch.randint(2**31, (count,), generator=generator)
            batch["mask"] = torch.stack([hide(self.spec.masks, side, seed) for seed in seeds[share].tolist()])
        return {name: to_float(value) if value.dtype == torch.uint8 else value for name, value in batch.items()}

    def all(self) -> dict[str, Tensor]:
        return self.first(max(map(len, self.fields.values())))

    def first(self, count: int) -> dict[str, Tensor]:
        """As `all`, of the first pictures of each field alone."""
        batch = {name: to_float(pictures[:count]) for name, pictures in self.fields.items()}
        return batch if self.labels is None else {**batch, "labels": self.labels[:count]}

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

    def _taken(self, pictures: Tensor, rows: Tensor, windows: Sequence[_Window] | None, share: slice) -> Tensor:
        chosen = pictures[rows[share]]
        if windows is None:
            return chosen
        cuts = zip(chosen, windows[share], strict=True)
        return torch.stack([self._cut(picture, *window) for picture, window in cuts])

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

    def batch(self, count: int, seed: int, share: slice = ALL_ROWS) -> dict[str, Tensor]:
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
        return {"images": to_float(torch.stack(large[share])), "small": to_float(torch.stack(small[share]))}


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


def load(spec: DataSpec, told: Told | None = None) -> Source:
    """Reads a split of a data set; what it holds is decoded into the cache once, and mapped into memory.

    Args:
        told: is called while pictures are decoded.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it has no such split, or nothing of what the spec asks for.
    """
    dataset = DATASETS[spec.set] if spec.set else None
    if dataset and dataset.composition == "photographs":
        return _photographs(read_tree(archive(spec.set)), spec)
    if dataset and dataset.parts:
        paths = {part: archive(part) for part in dataset.parts}
        contents = (_medley if dataset.composition == "medley" else _gallery)(paths, spec)
        return _squares(spec, contents, _digest(paths.values()))
    tree, splits = listed(spec)
    contents = _contents(tree, chosen(_split(tree, splits, spec), spec), spec, told)
    if dataset and dataset.composition == "stacked":
        contents = _stacked(contents)
    if spec.captions:
        contents = replace(contents, captions=captions.read(tree) if dataset else captions.listed(splits))
    if spec.binary:
        fields = {name: binarised(pictures) for name, pictures in contents.fields.items()}
        contents = replace(contents, fields=fields)
    if spec.edges:
        contents = Contents(_with_edges(contents.fields["images"]), paired=True, broken=contents.broken)
    return _squares(spec, contents, tree.sha256)


def listed(spec: DataSpec) -> tuple[Tree, Splits]:
    """The files of a data set, and what its splits hold; of one's own, divided into `train` and `test`.

    Raises:
        FileNotFoundError, ValueError: as `load`.
    """
    if spec.set:
        tree = read_tree(archive(spec.set))
        return tree, read_as(DATASETS[spec.set].layout, tree)
    assert spec.path is not None
    tree = read_tree(spec.path.expanduser())
    return tree, divided(tree, read_as(spec.layout, tree) if spec.layout else recognise(tree)[1])


def chosen(listing: Listing, spec: DataSpec) -> Listing:
    """What the spec takes of a split: one class, one side of pairs, two classes as domains.

    Raises:
        ValueError: there is no such thing.
    """
    if spec.domains:
        return _domains(listing, spec, spec.domains)
    if spec.only in listing.fields:
        return Listing({"images": listing.fields[spec.only]})
    if spec.only:
        rows = [row for row, label in enumerate(listing.labels) if listing.classes[label] == spec.only]
        if not rows:
            raise ValueError(f"{spec.name} has nothing that is called {spec.only!r}")
        return replace(listing.rows("images", rows), labels=(0,) * len(rows), classes=(spec.only,))
    return listing


def _split(tree: Tree, splits: Splits, spec: DataSpec) -> Listing:
    listing = splits.get(spec.split)
    if listing is None or not listing.count:
        raise ValueError(f"{tree.path} has no pictures under {spec.split}/")
    empty = [name.upper() for name, pieces in listing.fields.items() if not pieces]
    if empty:
        raise ValueError(f"{tree.path} has pictures of one side only: there are none of {', '.join(empty)}")
    return listing


def _domains(listing: Listing, spec: DataSpec, domains: tuple[str, str]) -> Listing:
    """The pictures of two classes; of the held-out split the pairs, by their names, if there are any."""
    a, b = (
        {
            PurePosixPath(piece.file).name: piece
            for piece, label in zip(listing.fields["images"], listing.labels, strict=True)
            if listing.classes[label] == domain
        }
        for domain in domains
    )
    if not a or not b:
        raise ValueError(f"{spec.name} has no pictures of {' and '.join(domains)}, its domains")
    both = [name for name in a if name in b]
    if both and (spec.split == spec.held_out or spec.pairs):
        return Listing({"a": tuple(a[name] for name in both), "b": tuple(b[name] for name in both)}, paired=True)
    return Listing({"a": tuple(a.values()), "b": tuple(b.values())})


def _contents(tree: Tree, listing: Listing, spec: DataSpec, told: Told | None) -> Contents:
    """The pictures, and the labels that are said of them: their classes, or the attributes that the spec names."""
    found = decoded(tree, listing, spec.resize or spec.size, channels(tree, listing), told)
    listing = found.listing
    if not all(map(len, found.fields.values())):
        raise ValueError(f"{tree.path} has no picture under {spec.split}/ that can be read")
    first = next(iter(listing.fields.values()))
    named = listing.labels or listing.texts or (listing.paired and spec.domains)
    names = tuple(piece.file if spec.path else piece.stem for piece in first) if named else ()
    if spec.attributes:
        columns = [listing.attributes.get(name) for name in spec.attributes]
        if missing := [name for name, column in zip(spec.attributes, columns, strict=True) if column is None]:
            raise ValueError(f"{spec.name} has no attributes {', '.join(missing)}")
        labels, classes = torch.tensor(columns, dtype=torch.float).T.contiguous(), spec.attributes
    else:
        labels, classes = torch.tensor(listing.labels) if listing.labels else None, listing.classes
    return Contents(found.fields, labels, classes, listing.paired, names, broken=found.broken)


def _squares(spec: DataSpec, contents: Contents, sha256: str) -> Squares:
    return Squares(spec, contents, _record(spec, sha256, max(map(len, contents.fields.values()))))


def _record(spec: DataSpec, sha256: str, count: int) -> DataRecord:
    about = DATASETS[spec.set] if spec.set else spec
    return DataRecord(
        name=spec.name, split=spec.split, count=count, sha256=sha256, licence=about.licence, source=about.source
    )


def _digest(paths: Iterable[Path]) -> str:
    """Of several archives, one after another."""
    told = hashlib.sha256()
    for path in paths:
        told.update(path.read_bytes())
    return told.hexdigest()


def _stacked(single: Contents) -> Contents:
    """Three of the labelled pictures as the channels of one (Metz et al. 2016, arXiv 1611.02163, section 3.3.1).

    As many stacks as there are pictures; each channel has every picture once, in an order of its own.
    """
    labels, pictures, classes = single.labels, single.fields["images"], single.classes
    assert labels is not None
    orders = [torch.randperm(len(labels), generator=torch.Generator().manual_seed(place)) for place in range(3)]
    images = torch.cat([pictures[order] for order in orders], dim=1)
    parts = (labels[order] * len(classes) ** place for place, order in enumerate(reversed(orders)))
    stacked = reduce(torch.add, parts)
    return Contents({"images": images}, stacked, tuple("".join(triple) for triple in product(classes, repeat=3)))


def _photographs(tree: Tree, spec: DataSpec) -> Photographs:
    """`<split>/<set>/*`: colour pictures at their own size, the sets that they are of as labels, and those sets."""
    listing = _split(tree, read_as("classes", tree), spec)
    images = [
        torch.from_numpy(np.array(codec.upright(tree.read(piece.file), MAX_PIXELS).convert("RGB"))).permute(2, 0, 1)
        for piece in listing.fields["images"]
    ]
    record = _record(spec, tree.sha256, len(images))
    return Photographs(spec, images, torch.tensor(listing.labels), listing.classes, record)


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
