"""Metrics of the context worker. Ticks are counted as plain integers and read when somebody asks."""

from collections import Counter as Counts
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from libs.runtime.metrics import BUCKETS
from services.context.domain.market import Market


class Metrics:
    """Contexts by outcome, seconds per build, triggers published, dead letters."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "perpetua_context_requests", "Requests by what became of them", ["outcome"], registry=registry
        )
        self._build_seconds = Histogram(
            "perpetua_context_build_seconds", "Time to build one context", registry=registry, buckets=BUCKETS
        )
        self._triggers = Counter("perpetua_context_triggers", "Interval triggers published", registry=registry)
        self.dead_letters = Counter(
            "perpetua_context_dead_letters",
            "Bad ticks put aside, or dropped by a full queue",
            ["outcome"],
            registry=registry,
        )
        self.bad_candles = Counter("perpetua_context_bad_candles", "Candles of the log refused", registry=registry)
        self.candles_published = Counter(
            "perpetua_context_candles_published", "Candles published where the feed has none", registry=registry
        )

    def ended(self, outcome: str) -> None:
        self._requests.labels(outcome).inc()

    def built(self, seconds: float) -> None:
        self._build_seconds.observe(seconds)

    def triggered(self) -> None:
        self._triggers.inc()


class MarketCollector(Collector):
    """Reads what the market counted."""

    def __init__(self, market: Market, registry: CollectorRegistry) -> None:
        self._market = market
        registry.register(self)

    def collect(self) -> Iterator[CounterMetricFamily]:
        ticks = Counts({"applied": 0, "duplicate": 0, "too_old": 0})
        for track in self._market.tracks():
            ticks.update(applied=track.applied, duplicate=track.duplicates, too_old=track.too_old)
        ticks["unfollowed"] = self._market.counts["unfollowed"]
        family = CounterMetricFamily("perpetua_context_ticks", "Ticks by what became of them", labels=["outcome"])
        for outcome, n in ticks.items():
            family.add_metric([outcome], n)
        yield family
        yield CounterMetricFamily(
            "perpetua_context_candle_mismatches",
            "Candles from elsewhere that differ from those built from ticks",
            value=self._market.counts["mismatch"],
        )
