"""Bulk against the bare engine: how much of the engine's throughput reaches the folder.

`python -m benchmarks.bulk`. In each round both make as many images of the same batches, in turn; what counts is the
median of the rounds' ratios. The bare engine draws noise or is given decoded pictures, and computes; bulk reads,
decodes, encodes and writes besides.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core import logs
from core.settings import Settings
from models.card import Task
from models.registry import SHIPPED, Registry
from workers import bulk
from workers.engine import Engine
from workers.work import Work

PICTURES = SHIPPED / "horse2zebra-cyclegan" / "examples"


@dataclass(frozen=True)
class Case:
    """What both make."""

    model: str
    task: Task
    values: dict[str, object]
    images: int


CASES = (
    Case("mnist-cgan", Task.CONDITIONAL, {"label": "7"}, 4096),
    Case("horse2zebra-cyclegan", Task.TRANSLATE, {"direction": "AtoB"}, 96),
)


def _pictures(folder: Path, count: int) -> Path:
    """A folder of as many pictures."""
    shown = sorted(PICTURES.glob("A-*.png"))
    folder.mkdir()
    for number in range(count):
        shutil.copy(shown[number % len(shown)], folder / f"{number:05d}.png")
    return folder


def _batches(wanted: bulk.Wanted, case: Case, folder: Path | None) -> list[list[Work]]:
    size = wanted.card.serving.max_batch
    if folder is None:
        return [[wanted.work(n=size, seed=first)] for first in range(0, case.images, size)]
    works = [wanted.work_of(path.read_bytes()) for path in sorted(folder.iterdir())]
    return [works[first : first + size] for first in range(0, len(works), size)]


def _bare_s(engine: Engine, batches: Sequence[Sequence[Work]]) -> float:
    began = time.perf_counter()
    for works in batches:
        engine.run([engine.prepare(work) for work in works])
    return time.perf_counter() - began


def _bulk_s(engine: Engine, wanted: bulk.Wanted, case: Case, folder: Path | None) -> float:
    items = bulk.pictures(wanted, folder) if folder else bulk.samples(wanted, case.images, 0)
    with tempfile.TemporaryDirectory() as out:
        began = time.perf_counter()
        tally = bulk.make(engine, items, wanted.card.serving.max_batch, bulk.DestinationFolder(Path(out)))
        seconds = time.perf_counter() - began
    if tally.made != case.images or tally.failed:
        raise RuntimeError(f"{tally.made} of {case.images} were made: {tally.failed}")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    logs.configure(Settings(log_level="warning"))
    engine = Engine(Registry([SHIPPED]), "cpu", chosen.threads)
    print("| model | images | bare, images/s | bulk, images/s | ratio | lowest, highest |")
    print("| --- | ---: | ---: | ---: | ---: | --- |")
    for case in CASES:
        wanted = bulk.Wanted(engine.registry[case.model].card, case.task, case.values)
        with tempfile.TemporaryDirectory() as temporary:
            folder = _pictures(Path(temporary) / "given", case.images) if case.task is Task.TRANSLATE else None
            batches = _batches(wanted, case, folder)
            _bare_s(engine, batches[:2])
            rounds = [(_bare_s(engine, batches), _bulk_s(engine, wanted, case, folder)) for _ in range(chosen.rounds)]
        ratios = sorted(bare / made for bare, made in rounds)
        speeds = [case.images / statistics.median(column) for column in zip(*rounds, strict=True)]
        bare, made, ratio = f"{speeds[0]:,.0f}", f"{speeds[1]:,.0f}", f"{statistics.median(ratios):.2f}"
        range_ = f"{ratios[0]:.2f}, {ratios[-1]:.2f}"
        print(f"| {case.model} | {case.images:,} | {bare} | {made} | {ratio} | {range_} |", flush=True)


if __name__ == "__main__":
    main()
