"""Tasks on the CPU through ONNX Runtime, which runs every shipped network 1.3 to 2.9 times as fast as eager torch
(`docs/performance.md`, measured by `benchmarks/engines.py`)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
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

Compiled = Callable[[dict[str, Tensor]], Tensor]


class CannotCompile(Exception):
    """The task of this model is beyond ONNX, or comes out otherwise there."""


@dataclass(frozen=True)
class Exported:
    """A task as an ONNX graph, which was found to make what torch makes."""

    graph: bytes
    run: Compiled
    """Does what the graph says."""


def compile(model: Model, operation: Operation, rows: Rows, threads: int, checked: bool = False) -> Compiled:
    """A function that does what `operation.apply` does with this model and the options of `rows`.

    Args:
        rows: typical input, two rows at least.
        threads: that it may use.
        checked: whether it is known from before that it does the same.

    Raises:
        CannotCompile: run it eagerly.
    """
    return export(model, operation, rows, threads, checked).run


def export(model: Model, operation: Operation, rows: Rows, threads: int, checked: bool = False) -> Exported:
    """`operation.apply` with this model and the options of `rows` as a graph, whose inputs are called as the tensors of
    `rows` are, and its output `result`.

    Args:
        rows: typical input, two rows at least.
        threads: that the function may use.
        checked: whether it is known from before that the graph makes what torch makes.

    Raises:
        CannotCompile: no graph does what it does.
    """
    if not model.exportable:
        raise CannotCompile("it is more than a network of torch's operators")
    call = _Call(model, operation, rows).eval()
    names = list(rows.tensors)
    native = model.native if "images" in rows.tensors else None
    if native is not None:
        rows = _smaller(rows, native)
    typical = _first(rows, _TRACED)
    wanted = None if checked else call(*_first(rows, 1))
    if not checked and not isinstance(wanted, Tensor):
        raise CannotCompile("it takes many steps")
    try:
        graph = _exported(call, typical, native is not None)
        session = onnx_runtime.session(graph, threads, native is not None)
    except Exception as error:  # the exporter raises whatever it meets
        raise CannotCompile(f"ONNX cannot say it: {str(error).splitlines()[0]}") from error
    taken = {given.name for given in session.get_inputs()}

    def run(tensors: dict[str, Tensor]) -> Tensor:
        given = {name: tensor.numpy() for name, tensor in tensors.items() if name in taken}
        large = native is not None and tensors["images"][0].numel() > onnx_runtime.LARGE
        options = onnx_runtime.give_back() if large else None
        return torch.from_numpy(session.run(None, given, options)[0])

    if not isinstance(wanted, Tensor):
        return Exported(graph, run)
    checks = [(f"in a batch of {len(each)}", _rows(typical, each), wanted) for each in _CHECKED]
    if native is not None:
        some = _first(_larger(rows, native), 1)
        checks.append(("at another size", some, call(*some)))
    for circumstance, some, expected in checks:
        try:
            made = run(dict(zip(names, some, strict=True)))
        except Exception as error:  # a size that tracing has fixed
            raise CannotCompile(f"it fails {circumstance}") from error
        if len(made) != len(some[0]):
            raise CannotCompile(f"it fails {circumstance}")
        apart = (made[::2] - expected).abs().max()
        if not apart <= TOLERANCE:
            raise CannotCompile(f"its images are off by up to {apart:.1e} {circumstance}")
    return Exported(graph, run)


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
