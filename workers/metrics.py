"""What a worker measures of itself: for Prometheus, and, of the last minute, for its heartbeat."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from threading import Lock

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, start_http_server

from jobs.worker_state import Lately, Stage, Sum

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120)
_IMAGES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_SLOT_S = 5
_SLOTS = 12
_BATCH = "batch"


class WorkerMetrics:
    """The metrics of one worker process. Safe for threads."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._recent = _Recent()
        stages = Histogram(
            "easel_stage_seconds",
            "Time by stage (jobs.worker_state.Stage)",
            ["stage"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._stage = {stage: stages.labels(stage.value) for stage in Stage}
        self._batch_size = Histogram(
            "easel_batch_size",
            "Images of predictions that shared forward passes",
            ["model"],
            buckets=_IMAGES,
            registry=self.registry,
        )
        self._resident = Gauge("easel_model_resident_bytes", "Weights in memory", ["model"], registry=self.registry)
        self._loads = Counter("easel_model_loads_total", "Models read from disk", ["model"], registry=self.registry)
        self._drops = Counter(
            "easel_model_drops_total", "Models dropped from memory", ["model"], registry=self.registry
        )
        self._out_of_memory = Counter(
            "easel_out_of_memory_total", "Batches that were more than memory holds", ["model"], registry=self.registry
        )

    def serve(self, host: str, port: int) -> None:
        """Answers Prometheus on this address, from a thread. Raises `OSError` if it is taken."""
        start_http_server(port, host, self.registry)

    def stage(self, stage: Stage, *seconds: float) -> None:
        """Some measurements of a stage."""
        for each in seconds:
            self._stage[stage].observe(each)
        if seconds:
            self._recent.add(stage, len(seconds), sum(seconds))

    def ran(self, model: str, images: int, seconds: float) -> None:
        """One group of predictions, through the network."""
        self.stage(Stage.INFER, seconds)
        self._batch_size.labels(model).observe(images)
        self._recent.add(_BATCH, 1, images)

    def loaded(self, model: str, seconds: float) -> None:
        """One model, read from disk."""
        self.stage(Stage.LOAD, seconds)
        self._loads.labels(model).inc()

    def dropped(self, model: str) -> None:
        """One model, dropped from memory."""
        self._drops.labels(model).inc()

    def resident(self, model: str, size: int) -> None:
        """What the weights of all versions of a model that are in memory take, in bytes."""
        if size:
            self._resident.labels(model).set(size)
        else:
            self._resident.remove(model)

    def out_of_memory(self, model: str) -> None:
        """One batch of the model was more than memory holds."""
        self._out_of_memory.labels(model).inc()

    def lately(self) -> Lately:
        """The last minute, or less of a younger process."""
        sums = self._recent.sums()
        stages = {stage: sums[stage] for stage in Stage if stage in sums}
        return Lately(window_s=self._recent.window_s, stages=stages, batches=sums.get(_BATCH, Sum()))


class _Recent:
    """Sums over the last `_SLOTS` slots of `_SLOT_S` seconds, the current one included."""

    def __init__(self) -> None:
        self._born = time.monotonic()
        self._lock = Lock()
        self._slots: deque[tuple[int, dict[str, tuple[int, float]]]] = deque(maxlen=_SLOTS)

    @property
    def window_s(self) -> float:
        return round(min(time.monotonic() - self._born, _SLOTS * _SLOT_S), 1)

    def add(self, series: str, count: int, total: float) -> None:
        slot = int(time.monotonic() / _SLOT_S)
        with self._lock:
            if not self._slots or self._slots[-1][0] != slot:
                self._slots.append((slot, defaultdict(lambda: (0, 0.0))))
            sums = self._slots[-1][1]
            sums[series] = sums[series][0] + count, sums[series][1] + total

    def sums(self) -> dict[str, Sum]:
        oldest = int(time.monotonic() / _SLOT_S) - _SLOTS
        found: dict[str, Sum] = defaultdict(Sum)
        with self._lock:
            for slot, entries in self._slots:
                if slot > oldest:
                    for series, (count, total) in entries.items():
                        found[series] += Sum(count=count, total=round(total, 6))
        return dict(found)
