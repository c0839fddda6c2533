"""Trial passes of an ONNX graph, which show what it does not say."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnxruntime
import torch
from onnx import ModelProto

from importing.errors import NotImportable
from models import onnx_runtime

MAX_SECONDS = 120
"""Of one pass."""

Lengths = tuple[int | None, ...]
"""A shape, None where it is open."""


@dataclass(frozen=True)
class GraphInput:
    """What a graph takes."""

    name: str
    kind: np.dtype
    shape: Lengths
    """With that of the batch in front."""


class PassFailed(NotImportable):
    """A pass that came to no end."""


class Probe:
    """A graph that can be tried."""

    def __init__(self, graph: ModelProto):
        """
        Raises:
            NotImportable: ONNX Runtime does not take it, or it takes something else than numbers.
        """
        try:
            self._session = onnx_runtime.guarded_session(graph.SerializeToString(), torch.device("cpu"), True)
            self.inputs = {
                each.name: GraphInput(each.name, onnx_runtime.numpy_type(each.type), _lengths(each.shape))
                for each in self._session.get_inputs()
            }
        except Exception as error:  # whatever ONNX Runtime meets in a graph
            raise NotImportable(f"ONNX Runtime does not take it: {_line(error)}") from None
        self.outputs = [each.name for each in self._session.get_outputs()]

    @property
    def batch(self) -> int | None:
        """Rows that it takes at once, where it takes no other number."""
        fixed = {each.shape[0] for each in self.inputs.values() if each.shape} - {None}
        if len(fixed) > 1:
            raise NotImportable(f"its inputs differ in the number of their rows: {sorted(map(str, fixed))}")
        return next(iter(fixed), None)

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs of one pass.

        Raises:
            PassFailed: it ended in an error, or took longer than `MAX_SECONDS`.
        """
        options, ended = onnxruntime.RunOptions(), threading.Event()
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")

        def watch() -> None:
            if not ended.wait(MAX_SECONDS):
                options.terminate = True

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            made = self._session.run(None, {name: self._cast(name, feed) for name, feed in feeds.items()}, options)
        except Exception as error:  # whatever ONNX Runtime meets on its way
            if options.terminate:
                raise PassFailed(f"one pass of it takes more than {MAX_SECONDS} seconds") from None
            raise PassFailed(f"a pass of it fails: {_line(error)}") from None
        finally:
            ended.set()
            watcher.join()
        return {name: each for name, each in zip(self.outputs, made, strict=True) if isinstance(each, np.ndarray)}

    def _cast(self, name: str, feed: np.ndarray) -> np.ndarray:
        kind = self.inputs[name].kind
        return (feed.round() if kind.kind in "iu" else feed).astype(kind)


def _lengths(shape: list[int | str | None]) -> Lengths:
    return tuple(length if isinstance(length, int) and length > 0 else None for length in shape)


def _line(error: Exception) -> str:
    """What ONNX Runtime says, without where in its source it says it."""
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    return first.rpartition("Status Message: ")[2][:300]
