"""The feed's own metrics."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class FeedMetrics:
    """What was published, by whom, and how well the schedule is kept."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.events = Counter("perpetua_feed_events", "Events published", ["kind"], registry=registry)
        self.lag = Gauge(
            "perpetua_feed_lag_seconds", "Wall seconds that publishing is behind the market clock", registry=registry
        )
        self.reanchored = Counter(
            "perpetua_feed_clock_resets", "Times the market clock was set because of a lag", registry=registry
        )
        self.holder = Gauge("perpetua_feed_holder", "1 while this copy publishes", registry=registry)
        self.ended = Gauge(
            "perpetua_feed_ended", "1 when the data ended and the market stands still", registry=registry
        )
