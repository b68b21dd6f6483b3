"""The paper venue's market: volume, slippage, latency, triggers, and the limits that it checks."""

from decimal import Decimal as D
from typing import Any

import pytest

from libs.schemas.reasons import OrderReason
from services.executor.domain.bands import ALWAYS, band
from services.executor.domain.changes import OrderChange, Turn
from tests.fakes.executor_values import SYMBOL, book, filters, instruction, quote
from tests.unit.executor.paper import fills, kinds, submitted, ticked

LIMIT: dict[str, Any] = {"type": "limit", "time_in_force": "post_only", "limit_price": D(49_900)}


def reasons(turn: Turn) -> list[OrderReason | None]:
    return [c.reason for c in turn.changes if isinstance(c, OrderChange) and c.kind == "rejected"]


def test_a_resting_limit_fills_as_far_as_enough_traded_and_its_stop_grows_with_it() -> None:
    turn = submitted(book(), instruction(**LIMIT), quote(50_000))
    part = ticked(turn, quote(49_899, seconds=1, size=0.0405))
    assert fills(part) == [("49900", "0.040")]
    stop = part.book.leg(SYMBOL, "stop")
    assert stop is not None
    assert stop.left == D("0.040")
    rest = ticked(part, quote(49_899, seconds=2, size=5.0))
    assert fills(rest) == [("49900", "0.060")]
    stop = rest.book.leg(SYMBOL, "stop")
    assert stop is not None
    assert (stop.left, rest.book.positions[SYMBOL].position.quantity) == (D("0.1"), D("0.1"))


def test_where_nothing_traded_nothing_fills() -> None:
    turn = submitted(book(), instruction(**LIMIT), quote(50_000))
    assert not ticked(turn, quote(49_000, seconds=1, size=0.0)).changes


def test_only_a_share_of_what_traded_is_ours() -> None:
    turn = submitted(book(), instruction(**LIMIT), quote(50_000))
    assert fills(ticked(turn, quote(49_899, seconds=1, size=0.1), volume_share=D("0.5"))) == [("49900", "0.050")]


def test_the_orders_of_one_account_share_the_volume_of_a_tick() -> None:
    first = submitted(book(), instruction(**LIMIT), quote(50_000))
    both = submitted(first.book, instruction("adjust_position", **LIMIT), quote(50_000), decision="dec-2")
    assert fills(ticked(both, quote(49_899, seconds=1, size=0.15))) == [("49900", "0.1"), ("49900", "0.050")]


def test_a_limit_fills_at_the_touch_where_the_venue_is_set_so() -> None:
    turn = submitted(book(), instruction(**LIMIT), quote(50_000))
    at = quote(49_900, seconds=1)
    assert not ticked(turn, at).changes
    assert fills(ticked(turn, at, fill_on="touch")) == [("49900", "0.1")]


@pytest.mark.parametrize(
    ("volume", "price"),
    [(None, "50010.1"), (10.0, "50015.1"), (0.1, "50060.1"), (0.001, "50510.1"), (0.0, "50510.1")],
    ids=["no volume known", "a hundredth", "all of it", "a hundred times", "nothing traded"],
)
def test_slippage_grows_with_the_quantity_against_the_volume(volume: float | None, price: str) -> None:
    turn = submitted(book(), instruction(), quote(50_000, span_volume=volume))
    assert fills(turn) == [(price, "0.1")]


def test_an_order_that_is_on_its_way_meets_the_first_price_after_it_arrived() -> None:
    slow: dict[str, Any] = {"latency_ms": 500}
    turn = submitted(book(), instruction(), quote(50_000), **slow)
    assert kinds(turn) == ["entry.placed"]
    assert band(turn.book, SYMBOL, filters(**slow)) == ALWAYS
    before = ticked(turn, quote(50_500, seconds=0.4), **slow)
    assert not before.changes
    after = ticked(before, quote(51_000, seconds=0.5), **slow)
    assert fills(after)[0][0] == "51010.3"
    assert not any(order.arrives_at for order in after.book.orders.values())


def test_a_post_only_order_that_would_match_when_it_arrives_is_rejected_then() -> None:
    slow: dict[str, Any] = {"latency_ms": 500}
    turn = submitted(book(), instruction(**LIMIT), quote(50_000), **slow)
    late = ticked(turn, quote(49_800, seconds=1), **slow)
    assert reasons(late) == [OrderReason.WOULD_MATCH]
    assert not late.book.orders


@pytest.mark.parametrize(
    ("by", "seen", "closes"),
    [
        ("mark", {"mark_price": 48_999.0, "index_price": 50_000.0}, True),
        ("mark", {"mark_price": 50_000.0, "index_price": 48_999.0}, False),
        ("index", {"mark_price": 50_000.0, "index_price": 48_999.0}, True),
        ("index", {"mark_price": 48_999.0}, True),
        ("last", {"mark_price": 48_999.0}, False),
    ],
    ids=["mark", "mark, not index", "index", "no index: mark", "last, not mark"],
)
def test_stops_look_at_what_the_venue_is_set_to(by: str, seen: dict[str, Any], closes: bool) -> None:
    turn = submitted(book(), instruction(), quote(50_000), trigger_by=by)
    after = ticked(turn, quote(49_500, seconds=1, **seen), trigger_by=by)
    assert (SYMBOL not in after.book.positions) is closes


def test_a_stop_on_the_last_price_is_cut_to_the_tick_too() -> None:
    turn = submitted(book(), instruction(), quote(50_000), trigger_by="last")
    assert (
        SYMBOL not in ticked(turn, quote(49_000.09, seconds=1, mark_price=50_000.0), trigger_by="last").book.positions
    )


@pytest.mark.parametrize(
    ("action", "price", "passes"),
    [("buy", "52500", True), ("buy", "52500.1", False), ("sell", "47500", True), ("sell", "47499.9", False)],
)
def test_a_limit_far_beyond_the_mark_is_refused(action: str, price: str, passes: bool) -> None:
    stop = D(40_000) if action == "buy" else D(60_000)
    final = instruction(action, type="limit", time_in_force="gtc", limit_price=D(price), stop=stop, target=None)
    turn = submitted(book(), final, quote(50_000))
    assert reasons(turn) == ([] if passes else [OrderReason.FILTER])


def test_more_orders_than_the_venue_takes_are_refused() -> None:
    first = submitted(book(), instruction(**LIMIT), quote(50_000), max_open_orders=1)
    second = submitted(first.book, instruction(**LIMIT), quote(50_000), decision="dec-2", max_open_orders=1)
    assert reasons(second) == [OrderReason.TOO_MANY_ORDERS]
    assert set(second.book.orders) == set(first.book.orders)
