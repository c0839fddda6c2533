"""Prometheus metrics of webhooks. They live in Redis, so every API process tells the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from jobs.outbox import Outcome


@dataclass(frozen=True, eq=False)
class Deliveries(Collector):
    """How often each outcome came about, and how many deliveries wait, are put off or are underway."""

    outcomes: Mapping[Outcome, int]
    pending: int

    def collect(self) -> Iterator[Metric]:
        """The figures as Prometheus's families."""
        tries = CounterMetricFamily("easel_webhook_attempts", "Tries at delivering a webhook", labels=["outcome"])
        for outcome in Outcome:
            if outcome is not Outcome.GIVEN_UP:
                tries.add_metric([outcome.value], self.outcomes.get(outcome, 0))
        yield tries
        given_up = self.outcomes.get(Outcome.GIVEN_UP, 0)
        yield CounterMetricFamily("easel_webhooks_given_up", "Webhooks that are not tried again", value=given_up)
        yield GaugeMetricFamily("easel_webhooks_pending", "Webhooks to be delivered, now or later", value=self.pending)

    def exposition(self) -> bytes:
        """The figures in Prometheus's text format."""
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry)
