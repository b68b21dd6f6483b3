"""Metrics that every process has. Labels come from closed sets only."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from libs.runtime import tracing

OUTCOMES = ("done", "waited", "later", "failed", "dead", "handed_back")
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class DeliveryMetrics:
    """Durable messages by outcome: done, waited, failed, dead, handed_back; and the seconds each took."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.messages = Counter(
            "perpetua_runtime_messages", "Durable messages by outcome", ["durable", "outcome"], registry=registry
        )
        self.seconds = Histogram(
            "perpetua_runtime_handler_seconds", "Time in hand", ["durable"], registry=registry, buckets=BUCKETS
        )
        self.redeliveries = Counter(
            "perpetua_runtime_redeliveries",
            "Messages that had been delivered before",
            ["durable"],
            registry=registry,
        )
        self.ready = Gauge("perpetua_runtime_ready", "1 when the process is ready", registry=registry)
        self.reconnects = Counter("perpetua_runtime_nats_reconnects", "Reconnects to NATS", registry=registry)

    def expect(self, durables: Iterable[str]) -> None:
        """What is rare begins at 0: a rate over a series that begins with its first event misses that event."""
        for durable in durables:
            self.redeliveries.labels(durable)
            for outcome in OUTCOMES:
                self.messages.labels(durable, outcome)


@contextmanager
def timed(histogram: Histogram) -> Iterator[None]:
    """Observe how long the inside takes, whatever comes of it."""
    began = time.perf_counter()
    try:
        yield
    finally:
        observe(histogram, time.perf_counter() - began)


def observe(histogram: Histogram, value: float) -> None:
    """With the trace in hand as an exemplar, where somebody could look it up."""
    histogram.observe(value, tracing.exemplar())
