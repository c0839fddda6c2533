"""Sessions of ONNX Runtime: of tasks that were exported from torch, and of graphs that other code made."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import onnxruntime
import torch

log = logging.getLogger(__name__)

LARGE = 3 * 2**16
"""Numbers of an image after which the memory of its pass is given back."""
ARENA_BYTES = min(2**33, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
"""Of memory that graphs of other code take at most on the CPU, weights and passes together."""
CUDA = "CUDAExecutionProvider"


def give_back() -> onnxruntime.RunOptions:
    """Options of a pass whose memory is given back afterwards."""
    options = onnxruntime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def session(graph: bytes, threads: int, any_size: bool) -> onnxruntime.InferenceSession:
    """A session on the CPU, of a graph of our own.

    Args:
        any_size: whether its pictures are of any size.
    """
    return onnxruntime.InferenceSession(graph, _options(threads, any_size), ["CPUExecutionProvider"])


def guarded_session(graph: bytes, device: torch.device, any_size: bool) -> onnxruntime.InferenceSession:
    """A session of a graph that other code made, on a GPU if ONNX Runtime can use one; if not, a warning says so.

    On the CPU its memory is bounded (`ARENA_BYTES`), and nothing is computed before a pass is.
    """
    options = _options(torch.get_num_threads(), any_size)
    options.add_session_config_entry("session.use_env_allocators", "1")
    _bound_memory()
    providers: list[Any] = ["CPUExecutionProvider"]
    if device.type == "cuda":
        if missing := no_gpu():
            log.warning("a graph runs on the CPU: %s", missing)
        else:
            providers.insert(0, (CUDA, {"device_id": device.index or 0}))
    made = onnxruntime.InferenceSession(graph, options, providers, disabled_optimizers=["ConstantFolding"])
    if len(providers) > 1 and CUDA not in made.get_providers():
        log.warning("a graph runs on the CPU: ONNX Runtime could not start CUDA; its own log says why")
    return made


def no_gpu() -> str:
    """Why ONNX Runtime cannot use an Nvidia GPU on this machine; nothing if its release can."""
    if CUDA in onnxruntime.get_available_providers():
        return ""
    return "this ONNX Runtime has no CUDA; install onnxruntime-gpu in place of onnxruntime"


def numpy_type(of: str) -> np.dtype:
    """The type of an input's numbers, from ONNX Runtime's name for it. Raises `ValueError` for what is no number."""
    known = {"float": "float32", "float16": "float16", "double": "float64"}
    name = of.removeprefix("tensor(").removesuffix(")")
    try:
        return np.dtype(known.get(name, name))
    except TypeError:
        raise ValueError(f"{of} is no type of numbers") from None


def run(
    made: onnxruntime.InferenceSession, output: str, feeds: Mapping[str, np.ndarray], batch: int | None
) -> np.ndarray:
    """One output of a graph, [N, ...] of feeds [N, ...].

    Args:
        batch: rows that the graph takes at once, where it takes no other number: more go in pieces, of which the last
            is filled up with its last row.
    """
    count = len(next(iter(feeds.values())))
    options = give_back() if any(feed[0].size > LARGE for feed in feeds.values()) else None
    if batch is None or count == batch:
        return np.asarray(made.run([output], dict(feeds), options)[0])
    parts: list[np.ndarray] = []
    for start in range(0, count, batch):
        some = {name: feed[_rows(start, batch, count)] for name, feed in feeds.items()}
        parts.append(np.asarray(made.run([output], some, options)[0]))
    return np.concatenate(parts)[:count]


def _rows(start: int, batch: int, count: int) -> list[int]:
    return [min(start + place, count - 1) for place in range(batch)]


def _options(threads: int, any_size: bool) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    options.enable_mem_pattern = not any_size  # a plan of memory for each size that ever came would be kept
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads leave the cores to others
    return options


@cache
def _bound_memory() -> None:
    """Gives the process an arena of bounded size, which sessions use that ask for it."""
    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    onnxruntime.create_and_register_allocator(
        memory, onnxruntime.OrtArenaCfg({"max_mem": ARENA_BYTES, "arena_extend_strategy": 1})
    )
