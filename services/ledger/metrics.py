"""The ledger's own metrics."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class LedgerMetrics:
    """Events stored, and how far behind the log the newest stored event of each durable was."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.stored = Counter("perpetua_ledger_events", "Events stored", ["durable"], registry=registry)
        self.lag = Gauge(
            "perpetua_ledger_lag_seconds",
            "Seconds from the storing of an event in the log to its storing here",
            ["durable"],
            registry=registry,
        )
        self.outcomes = Counter(
            "perpetua_ledger_outcomes",
            "Prices after a decision and paths of trades that were looked up, and whether candles told them",
            ["kind", "known"],
            registry=registry,
        )
        self.abandoned = Counter(
            "perpetua_ledger_abandoned_messages", "Messages that ran out of deliveries", registry=registry
        )
