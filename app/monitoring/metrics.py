"""Prometheus metrics of the API. Labels come from fixed sets (routes, served models), never from what callers send."""

from __future__ import annotations

import os
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from app.monitoring.queue_report import Overview
from models.card import Task

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


class ApiMetrics:
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
        ProcessCollector(registry=self.registry)

    def observe_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request, answered."""
        self._requests.labels(method if method in _METHODS else "other", route, status).inc()
        self._request_seconds.labels(route).observe(seconds)

    def accepted(self, model: str, task: Task) -> None:
        """One prediction, enqueued."""
        self._accepted.labels(model, task.value).inc()

    def exposition(self, overview: Overview) -> bytes:
        """All metrics in Prometheus's text format, with the figures that live in Redis as they are now."""
        shared = CollectorRegistry()
        shared.register(_Shared(overview))
        return generate_latest(self._own()) + generate_latest(shared)

    def _own(self) -> CollectorRegistry:
        """This process's metrics, or the sums of all that share its port: whoever scrapes meets any of them."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return self.registry
        summed = CollectorRegistry()
        MultiProcessCollector(summed)
        return summed


class _Shared(Collector):
    """What all API processes tell alike, since it is read from Redis."""

    def __init__(self, overview: Overview):
        self.overview = overview

    def collect(self) -> Iterator[Metric]:
        ends = CounterMetricFamily(
            "easel_predictions", "Predictions that have ended", labels=["model", "task", "outcome"]
        )
        for labels, count in self.overview.ends.items():
            ends.add_metric(labels, count)
        yield ends
        depth = GaugeMetricFamily("easel_queue_depth", "Predictions that wait", labels=["model", "priority"])
        running = GaugeMetricFamily(
            "easel_queue_running", "Predictions that a worker holds", labels=["model", "priority"]
        )
        oldest = GaugeMetricFamily(
            "easel_queue_oldest_age_seconds", "How long the first has waited", labels=["model", "priority"]
        )
        for queue in self.overview.queues:
            place = [queue.model, queue.priority.value]
            depth.add_metric(place, queue.depth)
            running.add_metric(place, queue.running)
            oldest.add_metric(place, queue.oldest_age_s or 0)
        yield from (depth, running, oldest)
        yield GaugeMetricFamily("easel_workers", "Workers with a recent heartbeat", value=self.overview.alive)
        work = GaugeMetricFamily(
            "easel_pool_work_seconds", "What waits or runs, in seconds of one worker", labels=["pool"]
        )
        serving = GaugeMetricFamily("easel_pool_workers", "Workers that serve the pool's models", labels=["pool"])
        for pool in self.overview.pools:
            work.add_metric([pool.name], pool.work_s)
            serving.add_metric([pool.name], pool.workers)
        yield from (work, serving)
        ages = GaugeMetricFamily(
            "easel_worker_heartbeat_age_seconds", "Since the worker was last heard of", labels=["worker"]
        )
        for worker in self.overview.workers:
            ages.add_metric([worker.id], worker.heartbeat_age_s)
        yield ages
