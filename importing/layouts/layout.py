"""What a layout is: how people lay a network out in a file, by names and shapes, and what it is here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

import torch
from torch import nn

from importing.layers import Layers, fitted, names_of
from importing.states import State
from models.nn.published.vae import Range
from models.nn.resnet import Padding

FILE, BESIDE = "file", "with"
"""What the names in FILE and in the file of `--with` begin with, where a network is in both."""

Statistics = Literal["stored", "picture"]
"""What batch norm normalises by: the statistics in the file, or those of each picture (see `docs/importing.md`)."""

Dropout = Literal["drawn", "off"]
"""Whether a network drops out as it serves, by the request's seed, or does not."""


class Buildable(Protocol):
    """Settings that make a network."""

    def build(self) -> nn.Module:
        """The network, with random weights."""
        ...

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """The settings, for a card."""
        ...


@dataclass(frozen=True)
class ImportSettings:
    """What no file tells, and where in it to look."""

    padding: Padding = "reflect"
    statistics: Statistics | None = None
    """What is usual for the network if absent."""
    dropout: Dropout | None = None
    """What is usual for the network if absent."""
    trained_as: Literal["pix2pix", "cyclegan"] | None = None
    """Of a translator, if it is known."""
    size: int | None = None
    """Side of the pictures; what is usual for the network if absent."""
    domains: tuple[str, ...] = ("A", "B")
    classes: tuple[str, ...] = ()
    """Names of the classes or attributes, in their order; numbers if absent."""
    scale: int | None = None
    """How many times as large a network makes a picture, where its shapes do not tell."""
    values: Range | None = None
    """Of the pictures that a network was trained on, where nothing tells; what is usual for it if absent."""
    licence: str = "unknown"
    layout: str = ""
    """The layout to read a file by; the first that it fits if empty."""
    key: str = ""
    """Where in the file the weights are (`importing.states`)."""
    strip: str = ""
    """What the names that matter begin with, and what is taken off them."""


@dataclass(frozen=True)
class Finding:
    """What a file turned out to be."""

    family: str
    """Of the model that serves it. A translator's network goes to the direction that is asked for."""
    network: Buildable
    """Settings of the network; its `build()` makes it."""
    state: State
    """By the names of what `network.build()` makes."""
    side: int
    """Of the pictures that it makes or takes, if nobody says otherwise."""
    inferred: tuple[str, ...]
    """What follows from names and shapes, in words."""
    assumed: tuple[str, ...] = ()
    """What was taken for granted, since no name tells it, in words."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of the family, besides the network's."""
    directed: bool = False
    """Whether it goes one way between two domains, which no file tells."""
    multiple: int = 1
    """What a side has to be a multiple of."""
    summary: str = ""
    """What it makes, in a few words, where it is no translator."""
    fixed: bool = False
    """Whether it makes or takes pictures of this one side."""


@dataclass(frozen=True)
class Layout:
    """A layout. In patterns `#` stands for a number, `**` for anything, and `{weight,bias}` for either.

    A file has this layout if each pattern of `names` has a tensor, and each tensor a pattern of `names` or `besides`.
    """

    name: str
    """What `--layout` calls it."""
    told: str
    """What it is, and whose code lays it out so."""
    names: tuple[str, ...]
    """Patterns of the tensors that it always has."""
    read: Callable[[Layers, ImportSettings], Finding]
    """What a file of this layout is. Raises `NotImportable` if it is not quite."""
    besides: tuple[str, ...] = ()
    """Patterns of tensors that it may have."""
    accepts: Callable[[Layers], bool] | None = None
    """Tells it by shapes from another layout of the same names."""

    @cached_property
    def _required(self) -> list[tuple[str, re.Pattern[str]]]:
        return [(pattern, _compiled(pattern)) for pattern in self.names]

    @cached_property
    def _all(self) -> re.Pattern[str]:
        return re.compile("|".join(f"(?:{_compiled(pattern).pattern})" for pattern in (*self.names, *self.besides)))

    def compare(self, layers: Layers) -> Comparison:
        """How well a file fits."""
        names = names_of(layers)
        missing = [shown for shown, pattern in self._required if not any(map(pattern.fullmatch, names))]
        foreign = [name for name in names if not self._all.fullmatch(name)]
        accepted = self.accepts is None or self.accepts(layers)
        nearness = (1 - len(missing) / len(self.names)) * _share(names, foreign) * (1 if accepted else 0.5)
        return Comparison(self, missing, foreign, accepted, nearness)


def _share(names: Sequence[str], foreign: Sequence[str]) -> float:
    return 1 - len(foreign) / len(names) if names else 0.0


@dataclass(frozen=True)
class Comparison:
    """How well a file fits a layout."""

    layout: Layout
    missing: list[str]
    """Patterns that no tensor has."""
    foreign: list[str]
    """Tensors that no pattern has."""
    accepted: bool
    """Whether the shapes are those of this layout, as far as these alone tell it from another."""
    nearness: float
    """From 0, nothing in common, to 1, whatever is compared."""

    @property
    def fits(self) -> bool:
        """Whether the file has this layout."""
        return self.accepted and not self.missing and not self.foreign

    @property
    def told(self) -> str:
        """What keeps the file from it, in words."""
        lacks = f"it has no {self.missing[0]}" if self.missing else ""
        has = f"it has {', '.join(self.foreign[:3])}, which that has not" if self.foreign else ""
        return "; ".join(filter(None, (lacks, has))) or "its shapes are another's"


def _compiled(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(#|\*\*|\{[^}]*\})", pattern)
    said = {"#": r"\d+", "**": ".+"}
    return re.compile(
        "".join(
            said.get(part) or (f"(?:{'|'.join(map(re.escape, part[1:-1].split(',')))})" if part[:1] == "{" else "")
            or re.escape(part)
            for part in parts
        )
    )  # fmt: skip


def fit(network: Buildable, layers: Layers, places: Mapping[str, str] | None = None, biases: bool = True) -> State:
    """The state of what `network` builds (`importing.layers.fitted`); nothing is allocated for it.

    Raises:
        NotImportable: the tensors are not those of such a network.
    """
    with torch.device("meta"):
        built = network.build()
    return fitted(built, layers, places, biases)
