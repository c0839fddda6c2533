"""Prometheus metrics of the API. Labels come from fixed sets (routes, served models), never from what callers send."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from models.card import Task
from workers.jobs import Priority, Status

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


class Metrics:
    """The metrics of one API process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "easel_requests_total", "HTTP requests", ["method", "route", "status"], registry=self.registry
        )
        self._request_seconds = Histogram(
            "easel_request_seconds", "From request to response", ["route"], buckets=_SECONDS, registry=self.registry
        )
        self._accepted = Counter(
            "easel_predictions_accepted_total", "Predictions enqueued", ["model", "task"], registry=self.registry
        )
        self._answered = Counter(
            "easel_predictions_total",
            "Predictions whose end this process waited for",
            ["model", "task", "outcome"],
            registry=self.registry,
        )
        self._depth = Gauge("easel_queue_depth", "Predictions waiting", ["model", "priority"], registry=self.registry)
        self._workers = Gauge("easel_workers", "Workers with a recent heartbeat", registry=self.registry)

    def observe_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request, answered."""
        self._requests.labels(method if method in _METHODS else "other", route, status).inc()
        self._request_seconds.labels(route).observe(seconds)

    def accepted(self, model: str, task: Task) -> None:
        """One prediction, enqueued."""
        self._accepted.labels(model, task.value).inc()

    def ended(self, model: str, task: Task, outcome: Status) -> None:
        """One prediction, ended."""
        self._answered.labels(model, task.value, outcome.value).inc()

    def exposition(self, depths: dict[tuple[str, Priority], int], workers: int) -> bytes:
        """All metrics in Prometheus's text format, with the figures that live in Redis as they are now."""
        for (model, priority), depth in depths.items():
            self._depth.labels(model, priority.value).set(depth)
        self._workers.set(workers)
        return generate_latest(self.registry)
