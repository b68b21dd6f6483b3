"""What an operator sees of the executor: partitions and accounts held, ticks seen, and how the accounts stand."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from libs.runtime.clock import Clock
from services.executor.domain.book import AccountBook, equity

MODES = ("paper", "live")


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


class AccountDesk(Protocol):
    @property
    def book(self) -> AccountBook: ...


class AccountCollector(Collector):
    """Sums over the accounts of this copy, paper and live apart: accounts are not labels, there is no bound to them."""

    def __init__(
        self,
        registry: CollectorRegistry,
        desks: Iterable[AccountDesk],
        mark: Callable[[str], Decimal | None],
        clock: Clock,
    ) -> None:
        self._desks, self._mark, self._clock = desks, mark, clock
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        figures = {mode: self._figures(mode) for mode in MODES}
        for name, help_text in FIGURES.items():
            family = GaugeMetricFamily(f"perpetua_executor_{name}", help_text, labels=["mode"])
            for mode in MODES:
                family.add_metric([mode], figures[mode][name])
            yield family

    def _figures(self, mode: str) -> Mapping[str, float]:
        books = [desk.book for desk in self._desks if desk.book.mode == mode]
        marks = {symbol: self._mark(symbol) for book in books for symbol in book.positions}
        held = [(h, marks[symbol] or h.position.entry_price) for book in books for symbol, h in book.positions.items()]
        now, wall = self._clock.now(), self._clock.wall()
        bare = [holding.bare_since for holding, _ in held]
        reconciled = [book.reconciled_at for book in books] if mode == "live" else []
        return {
            "equity_dollars": float(sum((equity(book, marks) for book in books), Decimal())),
            "exposure_dollars": float(sum((h.position.quantity * price for h, price in held), Decimal())),
            "open_positions": len(held),
            "unprotected_seconds": _longest(bare, now),
            "reconcile_age_seconds": _longest(reconciled, wall),
            "halted_accounts": sum(book.trading_state != "active" for book in books),
        }


FIGURES = {
    "equity_dollars": "Wallets and open profit",
    "exposure_dollars": "Sizes of open positions at the newest marks, without their signs",
    "open_positions": "Positions that are open",
    "unprotected_seconds": "How long the longest open position has had no stop of its full size (market time)",
    "reconcile_age_seconds": "How long ago the live account that was reconciled longest ago was (wall time)",
    "halted_accounts": "Accounts that may not open anything new",
}


def _longest(times: Iterable[datetime | None], now: datetime) -> float:
    return max([0.0, *((now - time).total_seconds() for time in times if time is not None)])
