"""Tasks on the CPU through ONNX Runtime, which runs every shipped network 1.3 to 2.9 times as fast as eager torch
(`docs/performance.md`, measured by `benchmarks/engines.py`)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import IntEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from models import onnx_runtime
from models.model import Model
from pictures.framing import Native
from tasks.operation import Operation, Rows

TOLERANCE = 1e-4
"""How far, in images of [-1, 1], a compiled task may be from eager torch: a fiftieth of a step between two pixels."""
_TRACED = 2
"""Rows with which a network is traced: with one, it would be taken for one that takes no more."""
_CHECKED = ((0,), (0, 1, 0))
"""Which of them make up the batches, of other sizes, in which the first of them is looked at."""
_LEAST = 32
"""Sides of the pictures with which networks are traced and checked that take any size, in pixels: their cost grows with
the pixels, what is found out does not."""


class CannotCompile(Exception):
    """The task of this model is beyond ONNX, or comes out otherwise there."""


class Assurance(IntEnum):
    """How far it is known that a graph makes what torch makes."""

    NOTHING = 0
    FIRST = 1
    """Of one row of the model's own size."""
    WHOLLY = 2
    """Of other batches and other sizes, too."""


Keep = Callable[[Assurance], object]


def _forget(checked: Assurance) -> None:
    """Keeps no word of what was checked."""


class Compiled:
    """Does what `operation.apply` does with a model and some options, by ONNX Runtime: `graph` has the tensors' names
    as inputs, and `result` as output.

    What it makes of one row of the model's own size is held against torch when it is made; what it makes of other
    batches and sizes when they first come, since the first answer need not wait for that.
    """

    def __init__(
        self, call: _Call, rows: Rows, native: Native | None, threads: int, checked: Assurance, keep: Keep = _forget
    ):
        """
        Raises:
            CannotCompile: run it eagerly.
        """
        own = rows.tensors["images"].shape[2:] if native is not None else None
        if native is not None:
            rows = _smaller(rows, native)
        self._call, self._rows, self._native, self._keep = call, rows, native, keep
        self._names, self._typical = list(rows.tensors), _first(rows, _TRACED)
        self._own = own if own is not None and own == rows.tensors["images"].shape[2:] else None
        """The size of pictures at first, where the first check is not of another size than that of the trace."""
        self.checked = checked
        wanted = None
        if checked is Assurance.NOTHING:
            one = self._one(larger=self._any_size_first)
            wanted = call(*one)
            if not isinstance(wanted, Tensor):
                raise CannotCompile("it takes many steps")
        try:
            self.graph = _exported(call, self._typical, native is not None)
            self._session = onnx_runtime.session(self.graph, threads, native is not None)
        except Exception as error:  # the exporter raises whatever it meets
            raise CannotCompile(f"ONNX cannot say it: {str(error).splitlines()[0]}") from error
        self._taken = {given.name for given in self._session.get_inputs()}
        if wanted is not None:
            where = "at another size" if self._any_size_first else "in a batch of 1"
            self._hold(self._one(larger=self._any_size_first), wanted, where)
            self._reached(Assurance.FIRST)

    @property
    def _any_size_first(self) -> bool:
        return self._native is not None and self._own is None

    def __call__(self, tensors: dict[str, Tensor]) -> Tensor:
        """What the operation makes of tensors [N, ...].

        Raises:
            CannotCompile: they are of a kind that had not come before, and come out otherwise: run it eagerly.
        """
        if not self._known(tensors):
            self.check()
        return self._run(tensors)

    def check(self) -> None:
        """Holds other batches and sizes against torch, if they were not before. Raises `CannotCompile`."""
        if self.checked is Assurance.WHOLLY:
            return
        wanted = self._call(*self._one())
        for indices in _CHECKED:
            self._hold(_rows(self._typical, indices), wanted, f"in a batch of {len(indices)}")
        if self._native is not None:
            some = self._one(larger=True)
            self._hold(some, self._call(*some), "at another size")
        self._reached(Assurance.WHOLLY)

    def _known(self, tensors: dict[str, Tensor]) -> bool:
        """Whether the first check has told what comes of these."""
        if len(next(iter(tensors.values()))) > 1:
            return False
        return self._own is None or tensors["images"].shape[2:] == self._own

    def _reached(self, checked: Assurance) -> None:
        self.checked = checked
        self._keep(checked)

    def _one(self, larger: bool = False) -> tuple[Tensor, ...]:
        return _first(_larger(self._rows, self._native) if larger and self._native else self._rows, 1)

    def _run(self, tensors: dict[str, Tensor]) -> Tensor:
        given = {name: tensor.numpy() for name, tensor in tensors.items() if name in self._taken}
        large = self._native is not None and tensors["images"][0].numel() > onnx_runtime.LARGE
        options = onnx_runtime.give_back() if large else None
        return torch.from_numpy(self._session.run(None, given, options)[0])

    def _hold(self, some: tuple[Tensor, ...], wanted: Tensor, circumstance: str) -> None:
        try:
            made = self._run(dict(zip(self._names, some, strict=True)))
        except Exception as error:  # a size that tracing has fixed
            raise CannotCompile(f"it fails {circumstance}") from error
        if len(made) != len(some[0]):
            raise CannotCompile(f"it fails {circumstance}")
        apart = (made[::2] - wanted).abs().max()
        if not apart <= TOLERANCE:
            raise CannotCompile(f"its images are off by up to {apart:.1e} {circumstance}")


def compile(
    model: Model,
    operation: Operation,
    rows: Rows,
    threads: int,
    checked: Assurance = Assurance.NOTHING,
    keep: Keep = _forget,
) -> Compiled:
    """A function that does what `operation.apply` does with this model and the options of `rows`.

    Args:
        rows: typical input, two rows at least.
        threads: that it may use.
        checked: how far it is known from before that it does the same.
        keep: is told when more of that is known.

    Raises:
        CannotCompile: run it eagerly.
    """
    if model.beyond_onnx:
        raise CannotCompile(model.beyond_onnx)
    native = model.native if "images" in rows.tensors else None
    return Compiled(_Call(model, operation, rows).eval(), rows, native, threads, checked, keep)


def export(model: Model, operation: Operation, rows: Rows, threads: int) -> Compiled:
    """`compile`, of which everything is checked at once."""
    compiled = compile(model, operation, rows, threads)
    compiled.check()
    return compiled


def _smaller(rows: Rows, native: Native) -> Rows:
    """The rows with the smallest images that are worth a trial, if they are larger."""
    side = math.ceil(max(native.least, _LEAST) / native.multiple) * native.multiple
    return replace(rows, tensors={**rows.tensors, "images": rows.tensors["images"][:, :, :side, :side]})


def _larger(rows: Rows, native: Native) -> Rows:
    """The rows with larger images, higher by less than they are wider."""
    margins = (0, 2 * native.multiple, 0, native.multiple)
    images = nn.functional.pad(rows.tensors["images"], margins, mode="replicate")
    return replace(rows, tensors={**rows.tensors, "images": images})


class _Call(nn.Module):
    """The operation as a module of positional tensors, as the exporter wants it."""

    def __init__(self, model: Model, operation: Operation, rows: Rows):
        super().__init__()
        self.model, self.operation = model, operation
        self.names, self.options = list(rows.tensors), rows.options

    def forward(self, *tensors: Tensor) -> Any:
        return self.operation.apply(self.model, dict(zip(self.names, tensors, strict=True)), **self.options)


def _first(rows: Rows, count: int) -> tuple[Tensor, ...]:
    return tuple(tensor[:count] for tensor in rows.tensors.values())


def _rows(tensors: tuple[Tensor, ...], indices: tuple[int, ...]) -> tuple[Tensor, ...]:
    return tuple(tensor[list(indices)] for tensor in tensors)


def _exported(call: _Call, example: tuple[Tensor, ...], any_size: bool) -> bytes:
    """By the exporter that traces: it takes a tenth of the time of the one that captures graphs."""
    axes = {name: {0: "batch"} for name in (*call.names, "result")}
    if any_size:
        axes |= {"images": {0: "batch", 2: "height", 3: "width"}, "result": {0: "batch", 2: "rows", 3: "columns"}}
    with TemporaryDirectory() as folder, warnings.catch_warnings(), _without_its_log():
        warnings.simplefilter("ignore")
        path = Path(folder) / "graph.onnx"
        torch.onnx.export(
            call,
            example,
            path,
            input_names=call.names,
            output_names=["result"],
            dynamic_axes=axes,
            dynamo=False,
        )
        return path.read_bytes()


@contextmanager
def _without_its_log() -> Iterator[None]:
    """The exporter prints the whole graph when it fails, whatever its settings say."""
    log, torch._C._jit_onnx_log = torch._C._jit_onnx_log, lambda *said: None
    try:
        yield
    finally:
        torch._C._jit_onnx_log = log
