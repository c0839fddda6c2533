"""Tasks on the CPU through ONNX Runtime, which runs every shipped network 1.3 to 2.9 times as fast as eager torch
(`docs/performance.md`, measured by `benchmarks/engines.py`)."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any

import onnxruntime
import torch
from torch import Tensor, nn

from models.model import Model
from tasks.operation import Operation, Rows

TOLERANCE = 1e-4
"""How far, in images of [-1, 1], a compiled task may be from eager torch: a fiftieth of a step between two pixels."""
_CHECKED = (1, 3)
"""Batch sizes at which that is looked at."""

Compiled = Callable[[dict[str, Tensor]], Tensor]


class CannotCompile(Exception):
    """The task of this model is beyond ONNX, or comes out otherwise there."""


def compile(model: Model, operation: Operation, rows: Rows, threads: int) -> Compiled:
    """A function that does what `operation.apply` does with this model and the options of `rows`.

    Args:
        rows: typical input, three rows at least.
        threads: that it may use.

    Raises:
        CannotCompile: run it eagerly.
    """
    if not model.exportable:
        raise CannotCompile("there is no network in it")
    call = _Call(model, operation, rows).eval()
    names = list(rows.tensors)
    if not isinstance(call(*_first(rows, 1)), Tensor):
        raise CannotCompile("it takes many steps")
    try:
        session = _session(_exported(call, _first(rows, 2)), threads)
    except Exception as error:  # the exporter raises whatever it meets
        raise CannotCompile(f"ONNX cannot say it: {str(error).splitlines()[0]}") from error
    taken = {given.name for given in session.get_inputs()}

    def run(tensors: dict[str, Tensor]) -> Tensor:
        given = {name: tensor.numpy() for name, tensor in tensors.items() if name in taken}
        return torch.from_numpy(session.run(None, given)[0])

    for count in _CHECKED:
        some = _first(rows, count)
        try:
            made = run(dict(zip(names, some, strict=True)))
        except Exception as error:  # a size that tracing has fixed
            raise CannotCompile(f"it fails in a batch of {count}") from error
        apart = (made - call(*some)).abs().max()
        if not apart <= TOLERANCE:
            raise CannotCompile(f"its images are off by up to {apart:.1e} in a batch of {count}")
    return run


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


def _exported(call: _Call, example: tuple[Tensor, ...]) -> bytes:
    """By the exporter that traces: it takes a tenth of the time of the one that captures graphs."""
    buffer, batch = io.BytesIO(), {0: "batch"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            call,
            example,
            buffer,
            input_names=call.names,
            output_names=["result"],
            dynamic_axes=dict.fromkeys([*call.names, "result"], batch),
            dynamo=False,
        )
    return buffer.getvalue()


def _session(graph: bytes, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads leave the cores to others
    return onnxruntime.InferenceSession(graph, options, ["CPUExecutionProvider"])
