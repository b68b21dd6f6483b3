"""The feed's own metrics."""

from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge


class FeedMetrics:
    """What was published, by whom, and how well the schedule is kept."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.holds = self.plays = False
        self._events = Counter("perpetua_feed_events", "Events published", ["kind"], registry=registry)
        self._lag = Gauge(
            "perpetua_feed_lag_seconds", "Wall seconds that publishing is behind the market clock", registry=registry
        )
        self._resets = Counter(
            "perpetua_feed_clock_resets", "Times the market clock was set because of a lag", registry=registry
        )
        self._silences = Counter(
            "perpetua_feed_silences", "Times a live stream died without a word and was opened anew", registry=registry
        )
        self._holder = Gauge("perpetua_feed_holder", "1 while this copy publishes", registry=registry)
        self._playing = Gauge("perpetua_feed_playing", "1 when history and clock are published", registry=registry)
        self._ended = Gauge(
            "perpetua_feed_ended", "1 when the data ended and the market stands still", registry=registry
        )

    def published(self, kind: Literal["tick", "candle", "funding"], count: int) -> None:
        self._events.labels(kind).inc(count)

    def late(self, seconds: float) -> None:
        self._lag.set(seconds)

    def clock_reset(self) -> None:
        self._resets.inc()

    def holding(self, holds: bool) -> None:
        self.holds = holds
        self._holder.set(holds)

    def playing(self, plays: bool) -> None:
        self.plays = plays
        self._playing.set(plays)

    def ended(self, ended: bool) -> None:
        self._ended.set(ended)

    def fell_silent(self) -> None:
        self._silences.inc()
