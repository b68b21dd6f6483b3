"""A small true story of one account, to be told wrongly: a request, its entry with a stop, and its end."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from libs.invariants.log import Frontier, Log
from libs.invariants.rows import (
    BookRow,
    EndRow,
    FillRow,
    IntentRow,
    OrderRow,
    PlanRow,
    PositionMove,
    RequestRow,
)

T0 = datetime(2026, 11, 30, 12, tzinfo=UTC)
ENTRY, STOP = "e" * 32, "5" * 32
FLOORS = {"context-requests": 9, "decider-contexts": 9, "validator-proposals": 9, "context-ends": 9}


def at(version: int, place: int, seconds: float = 0) -> dict[str, Any]:
    return {
        "event_id": f"a:{version}:{place}",
        "account_id": "a",
        "version": version,
        "place": place,
        "at": T0 + timedelta(seconds=seconds),
    }


def order(
    kind: str, order_id: str, leg: str, state: str, when: dict[str, Any], fill: FillRow | None = None
) -> OrderRow:
    rest: dict[str, Any] = {"kind": kind, "leg": leg, "state": state}
    return OrderRow(**when, **rest, order_id=order_id, decision_id="d", symbol="BTCUSDT", fill=fill)


def position(held: str, wallet: str, when: dict[str, Any], **money: str) -> PositionMove:
    names = ("realized_pnl", "fee", "funding", "insolvency")
    given: dict[str, Any] = {name: Decimal(money.get(name, "0")) for name in names}
    return PositionMove(
        **when,
        **given,
        symbol="BTCUSDT",
        held=Decimal(held),
        stop=Decimal(held) > 0,
        order_id=ENTRY if when["version"] == 2 else STOP,
        wallet=Decimal(wallet),
    )


def fill(fill_id: str, quantity: str, fee: str, profit: str = "0") -> FillRow:
    return FillRow(fill_id, Decimal(quantity), Decimal(fee), Decimal(profit))


BOOK = BookRow(
    account_id="a",
    version=3,
    initial=Decimal(100),
    wallet=Decimal("96.1"),
    gained=Decimal("-3.9"),
    working=frozenset(),
    untold=frozenset(),
    shown=Decimal("96.1"),
)
PLAN = PlanRow("d", "a", 1, (IntentRow(ENTRY, "BTCUSDT", "entry", Decimal(2)),), carried_out=True)


@dataclass
class Story:
    """Bought in write 2, stopped out in write 3."""

    log: Log = field(
        default_factory=lambda: Log(
            requests=[RequestRow(1, "r")],
            ends=[EndRow(1, "validated", "d", "r", shadow=False)],
            orders=[
                order("placed", ENTRY, "entry", "open", at(2, 0)),
                order("filled", ENTRY, "entry", "filled", at(2, 1), fill("f1", "2", "0.5")),
                order("placed", STOP, "stop", "open", at(2, 3)),
                order("filled", STOP, "stop", "filled", at(3, 0, 60), fill("f2", "2", "0.4", "-3")),
            ],
            positions=[
                position("2", "99.5", at(2, 2), fee="0.5"),
                position("0", "96.1", at(3, 1, 60), fee="0.4", realized_pnl="-3"),
            ],
        )
    )
    book: BookRow = BOOK
    plan: PlanRow = PLAN
    ended: dict[str, str] = field(default_factory=lambda: {ENTRY: "filled", STOP: "filled"})
    frontier: Frontier = field(default_factory=lambda: Frontier(FLOORS))

    @property
    def books(self) -> dict[str, BookRow]:
        return {"a": self.book}

    @property
    def plans(self) -> tuple[PlanRow, ...]:
        return (self.plan,)

    def told(self, index: int, **fields: Any) -> None:
        """The order event at `index` said something else."""
        self.log.orders[index] = replace(self.log.orders[index], **fields)

    def moved(self, index: int, **fields: Any) -> None:
        self.log.positions[index] = replace(self.log.positions[index], **fields)
