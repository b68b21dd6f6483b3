"""What the reconciler finds between the venue's truth and our books, and what each difference does to them."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D

import pytest

from libs.schemas.account import PositionSide, Side
from libs.schemas.orders import IntentState
from libs.schemas.reasons import OrderReason
from services.executor.domain.book import AccountBook, WorkingOrder
from services.executor.domain.changes import AlertChange, Correction, OrderChange, PositionChange, Turn
from services.executor.domain.fills import Execution, fill, stated
from services.executor.domain.reconcile import (
    Difference,
    Foreign,
    Lost,
    Missed,
    Money,
    Seen,
    Shrunk,
    Stray,
    Truth,
    corrected,
    reconcile,
)
from services.executor.domain.replies import Balances, FillReport, OrderReport, PositionReport
from services.executor.domain.steps import planning
from tests import builders
from tests.fakes import executor_values as values
from tests.fakes.executor_values import NOW, SYMBOL

MARKET = planning(values.market(values.quote(50_000)))
BODY = values.validated(values.instruction(quantity=D("0.1")))
LATER = NOW + timedelta(seconds=5)


def entry(state: IntentState = "open") -> WorkingOrder:
    (order,) = values.working(BODY, values.book())
    return replace(order, intent=stated(order.intent, state, NOW))


def holding() -> AccountBook:
    """A long of 0.1 with nothing resting."""
    order = replace(entry(), stop=None, target=None)
    book = replace(values.book(), orders={order.intent.client_order_id: order})
    execution = Execution(order, D(50_000), D("0.1"), maker=False, cause=OrderReason.DECISION, at=NOW, fee=D(2))
    return fill(Turn(book), execution, MARKET).book


def with_entry(state: IntentState = "unknown") -> AccountBook:
    order = entry(state)
    return replace(values.book(), orders={order.intent.client_order_id: order})


def position(quantity: str, side: PositionSide = "long") -> PositionReport:
    return PositionReport(SYMBOL, side, D(quantity), D(50_000), D(5), "isolated")


def report(client_order_id: str, state: IntentState = "open", filled: str = "0") -> OrderReport:
    return OrderReport(client_order_id, "9", SYMBOL, "buy", "limit", D("0.1"), D(filled), state, False)


def execution(client_order_id: str, n: int = 1, side: Side = "sell", quantity: str = "0.1") -> FillReport:
    fill = builders.fill(str(n), price=D(51_000), quantity=D(quantity), realized_pnl=D(100))
    return FillReport(client_order_id, SYMBOL, side, fill, LATER)


def truth(book: AccountBook, **over: object) -> Truth:
    """What the venue says where it agrees with the book, but for `over`."""
    same = [position(f"{h.position.quantity}") for h in book.positions.values()]
    made = Truth(NOW, same, [], [], Balances(book.wallet, book.wallet))
    return replace(made, **over)  # type: ignore[arg-type]


ID = entry().intent.client_order_id
BOUGHT = execution(ID, side="buy")
CASES: dict[str, tuple[AccountBook, dict[str, object], list[Difference]]] = {
    "all is well": (holding(), {}, []),
    "a fill of ours was missed": (
        with_entry(),
        {"fills": [execution(ID, side="buy")]},
        [Missed(execution(ID, side="buy"))],
    ),
    "a position was closed by hand": (
        holding(),
        {"positions": [], "fills": [execution("web_1")]},
        [Missed(execution("web_1"))],
    ),
    "a fill from before the position is nobody's": (
        holding(),
        {"fills": [replace(execution("web_1"), at=NOW - timedelta(seconds=1))]},
        [],
    ),
    "a position shrank and no fill tells why": (
        holding(),
        {"positions": [position("0.04")]},
        [Shrunk(SYMBOL, D("0.1"), D("0.04"))],
    ),
    "a position grew without us": (holding(), {"positions": [position("0.3")]}, [Foreign(SYMBOL, D("0.2"))]),
    "a position was turned without us": (
        holding(),
        {"positions": [position("0.3", "short")]},
        [Shrunk(SYMBOL, D("0.1"), D(0)), Foreign(SYMBOL, D("-0.3"))],
    ),
    "a position that is not ours": (values.book(), {"positions": [position("1")]}, [Foreign(SYMBOL, D(1))]),
    "an order that is not ours": (
        values.book(),
        {"open_orders": [report("web_1")]},
        [Foreign(SYMBOL, D("0.1"), "web_1")],
    ),
    "an order of a plan that is not begun": (
        values.book(),
        {"open_orders": [report(ID)], "known": frozenset({ID})},
        [],
    ),
    "an order of ours that is done with": (
        replace(values.book(), told=(ID,)),
        {"open_orders": [report(ID)]},
        [Stray(SYMBOL, ID)],
    ),
    "an unknown order rests": (with_entry(), {"open_orders": [report(ID)]}, [Seen(report(ID))]),
    "an unknown order may still arrive": (with_entry(), {}, []),
    "an unknown order never arrived": (with_entry(), {"reports": {ID: None}}, [Lost(ID)]),
    "an order ended": (with_entry("open"), {"reports": {ID: report(ID, "expired")}}, [Seen(report(ID, "expired"))]),
    "an order ended with fills that are not told yet": (
        with_entry("open"),
        {"reports": {ID: report(ID, "canceled", "0.04")}},
        [],
    ),
    "money came": (values.book(), {"balances": Balances(D(11_000), D(11_000))}, [Money(D(10_000), D(11_000))]),
    "money waits while an order is unknown": (with_entry(), {"balances": Balances(D(9_000), D(9_000))}, []),
    "a rounding is no money": (values.book(), {"balances": Balances(D("10000.004"), D(0))}, []),
}


@pytest.mark.parametrize(("book", "over", "found"), CASES.values(), ids=CASES)
def test_a_difference_is_found_and_nothing_else(
    book: AccountBook, over: dict[str, object], found: list[Difference]
) -> None:
    assert list(reconcile(book, truth(book, **over))) == found


def test_a_close_by_hand_is_booked_at_the_venues_price_and_fee_and_told_as_one() -> None:
    turn = corrected(Turn(holding()), Missed(execution("web_1")), MARKET)
    assert turn.book.positions == {}
    assert turn.book.wallet == 10_000 - 2 + 100 - 1
    (closed,) = [c for c in turn.changes if isinstance(c, PositionChange)]
    assert (closed.kind, closed.cause.value, closed.realized_pnl) == ("closed", "closed_at_venue", D(100))
    assert corrected(Turn(turn.book), Missed(execution("web_1")), MARKET).book is turn.book, "once"


def test_a_liquidation_is_told_as_one() -> None:
    turn = corrected(Turn(holding()), Missed(execution("autoclose-123")), MARKET)
    assert [c.kind for c in turn.changes if isinstance(c, PositionChange)] == ["liquidated"]


def test_what_is_not_ours_is_reported_once_and_the_account_reduces() -> None:
    turn = corrected(Turn(values.book()), Foreign(SYMBOL, D(1)), MARKET)
    assert turn.book.trading_state == "reducing"
    assert turn.book.positions == {}
    assert [type(c).__name__ for c in turn.changes] == ["Correction", "StateChange", "AlertChange"]
    again = corrected(Turn(turn.book), Foreign(SYMBOL, D(1)), MARKET)
    assert not any(isinstance(c, AlertChange) for c in again.changes)


def test_money_without_a_position_is_a_transfer_and_with_one_it_is_funding() -> None:
    came = corrected(Turn(values.book()), Money(D(10_000), D(11_000)), MARKET)
    assert (came.book.wallet, came.book.day.transfers, came.book.peak) == (D(11_000), D(1_000), D(11_000))
    held = holding()
    paid = corrected(Turn(held), Money(held.wallet, held.wallet - 3), MARKET)
    assert (paid.book.wallet, paid.book.funding_total) == (held.wallet - 3, D(-3))
    assert all(isinstance(c, Correction) for c in (*came.changes, *paid.changes))


def test_an_order_that_never_arrived_is_cancelled_in_the_books() -> None:
    turn = corrected(Turn(with_entry()), Lost(ID), MARKET)
    assert turn.book.orders == {}
    assert [c.kind for c in turn.changes if isinstance(c, OrderChange)] == ["canceled"]
