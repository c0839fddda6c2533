"""Lists of layers that are all of one kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

from torch import nn

Layer = TypeVar("Layer", bound=nn.Module)


class Layers(nn.ModuleList, Generic[Layer]):
    """A `ModuleList` whose type says of what."""

    if TYPE_CHECKING:

        def __init__(self, modules: Iterable[Layer]) -> None: ...

        def __iter__(self) -> Iterator[Layer]: ...
