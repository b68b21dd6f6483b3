"""What an operator sees of the executor: partitions and accounts held, and ticks seen."""

from collections.abc import Sized
from typing import Protocol

from prometheus_client import CollectorRegistry, Gauge


class PartitionHolder(Protocol):
    @property
    def held(self) -> frozenset[int]: ...


class Intake(Protocol):
    received: int
    bad: int


class ExecutorMetrics:
    """Gauges that read their value when they are scraped."""

    def __init__(self, registry: CollectorRegistry, partitions: PartitionHolder, desks: Sized, intake: Intake) -> None:
        held = Gauge("perpetua_executor_partitions_held", "Partitions whose lease this copy has", registry=registry)
        accounts = Gauge("perpetua_executor_accounts_open", "Accounts that this copy trades for", registry=registry)
        ticks = Gauge("perpetua_executor_ticks_received", "Market events read since the start", registry=registry)
        bad = Gauge("perpetua_executor_ticks_bad", "Market events refused since the start", registry=registry)
        held.set_function(lambda: len(partitions.held))
        accounts.set_function(lambda: len(desks))
        ticks.set_function(lambda: intake.received)
        bad.set_function(lambda: intake.bad)
