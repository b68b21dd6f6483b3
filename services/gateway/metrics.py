"""The gateway's own metrics."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class GatewayMetrics:
    """Requests by route template and status; seconds until `generate` had an end, by status (`none`: time-out)."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "perpetua_gateway_requests", "HTTP requests", ["method", "route", "status"], registry=registry
        )
        self.generate = Histogram(
            "perpetua_gateway_generate_seconds",
            "Seconds from a request for a decision to its end",
            ["status"],
            registry=registry,
            buckets=BUCKETS,
        )
        self.streams = Gauge("perpetua_gateway_streams", "Streams that are open", registry=registry)
        self.stream_events = Counter(
            "perpetua_gateway_stream_events", "Events that were handed to clients of streams", registry=registry
        )
        self.stream_ends = Counter(
            "perpetua_gateway_stream_ends", "Streams that ended, by reason", ["reason"], registry=registry
        )
