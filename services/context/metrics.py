"""Metrics of the context worker. Ticks are counted as plain integers and read when somebody asks."""

from collections import Counter as Counts
from collections.abc import Callable, Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from libs.perps.admission import DoubtKind
from libs.runtime.metrics import BUCKETS, observe
from services.context.domain.market import MarketState


class Metrics:
    """Contexts by outcome, seconds per build, triggers published, dead letters."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "perpetua_context_requests", "Requests by what became of them", ["outcome"], registry=registry
        )
        for outcome in ("built", "cached", "join", "wait"):  # they begin at 0
            self._requests.labels(outcome)
        self._build_seconds = Histogram(
            "perpetua_context_build_seconds", "Time to build one context", registry=registry, buckets=BUCKETS
        )
        self._triggers = Counter("perpetua_context_triggers", "Triggers published", ["kind"], registry=registry)
        self._overdue = Counter(
            "perpetua_context_overdue", "Decisions in flight that were given up at their deadline", registry=registry
        )
        self.dead_letters = Counter(
            "perpetua_context_dead_letters",
            "Bad ticks put aside, or dropped by a full queue",
            ["outcome"],
            registry=registry,
        )
        for outcome in ("stored", "dropped"):  # rare: they begin at 0
            self.dead_letters.labels(outcome)
        self.refused = Counter("perpetua_context_refused_ticks", "Bad ticks by code", ["code"], registry=registry)
        self.bad_candles = Counter("perpetua_context_bad_candles", "Candles of the log refused", registry=registry)
        self.candles_published = Counter(
            "perpetua_context_candles_published", "Candles published where the feed has none", registry=registry
        )

    def ended(self, outcome: str) -> None:
        self._requests.labels(outcome).inc()

    def built(self, seconds: float) -> None:
        observe(self._build_seconds, seconds)

    def triggered(self, kind: str) -> None:
        self._triggers.labels(kind).inc()

    def overdue(self) -> None:
        self._overdue.inc()


class MarketCollector(Collector):
    """Reads what the market counted, and how far it has read."""

    def __init__(
        self,
        market: MarketState,
        position: Callable[[], int],
        now: Callable[[], datetime],
        registry: CollectorRegistry,
    ) -> None:
        self._market, self._now = market, now
        self._position = position
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        yield self._ticks()
        yield self._differences()
        missing = GaugeMetricFamily(
            "perpetua_context_missing_candles", "Candles missing between those of all symbols", labels=["timeframe"]
        )
        for timeframe in sorted(self._market.timeframes):
            missing.add_metric([timeframe], self._market.missing(timeframe))
        yield missing
        doubts = CounterMetricFamily(
            "perpetua_context_doubts",
            "price: beyond the band and not confirmed; figure: a bid, ask, mark or index left out; source: another one",
            labels=["kind"],
        )
        for kind in DoubtKind:
            doubts.add_metric([kind.value], self._market.doubts.counts[kind.value])
        yield doubts
        left_out = GaugeMetricFamily(
            "perpetua_context_left_out_symbols", "Symbols on the bus that are not followed: there is no room"
        )
        left_out.add_metric([], len(self._market.following.left_out))
        yield left_out
        stale = GaugeMetricFamily(
            "perpetua_context_stale_symbols", "Symbols that are followed and whose newest tick is too old"
        )
        now = self._now()
        stale.add_metric([], sum(self._market.stale(track.tick.symbol, now) for track in self._market.tracks()))
        yield stale
        position = GaugeMetricFamily("perpetua_context_market_sequence", "Sequence of MARKET that was read last")
        position.add_metric([], self._position())
        yield position

    def _ticks(self) -> Metric:
        ticks = Counts({"in_order": 0, "out_of_order": 0, "duplicate": 0, "too_old": 0})
        for track in self._market.tracks():
            ticks.update(
                in_order=track.applied - track.out_of_order,
                out_of_order=track.out_of_order,
                duplicate=track.duplicates,
                too_old=track.too_old,
            )
        for kind in ("past", "repaired", "unfollowed"):
            ticks[kind] = self._market.counts[kind]
        family = CounterMetricFamily("perpetua_context_ticks", "Ticks by what became of them", labels=["outcome"])
        for outcome, n in ticks.items():
            family.add_metric([outcome], n)
        return family

    def _differences(self) -> Metric:
        family = CounterMetricFamily(
            "perpetua_context_candle_mismatches",
            "Candles from elsewhere that differ from those built from ticks: mismatch, or missed: no tick of it came",
            labels=["symbol", "kind"],
        )
        for (symbol, kind), n in sorted(self._market.differences.items()):
            family.add_metric([symbol, kind], n)
        return family
