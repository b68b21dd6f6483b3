"""What becomes of entries that rest in vain: repriced twice, then gone or taken, and never larger or riskier."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.orders import OrderIntent
from libs.schemas.verdict import Rung
from services.executor.domain.changes import OrderChange, Turn
from services.executor.domain.resting import successor
from tests.fakes.executor_values import NOW, SYMBOL, book, instruction, market, quote
from tests.unit.executor.paper import fills, kinds, submitted, ticked

LIMIT: dict[str, Any] = {"type": "limit", "time_in_force": "post_only", "limit_price": D(49_900)}


def rested(preference: str, *prices: float, lasts: float = 300) -> list[Turn]:
    """The turns after each minute of an entry that rests, the price at that minute given."""
    turn = submitted(book(), instruction(**LIMIT), quote(50_000), preference=preference, lasts=lasts)
    turns = []
    for n, price in enumerate(prices, 1):
        turn = ticked(turn, quote(price, seconds=60 * n))
        turns.append(turn)
    return turns


def working(turn: Turn) -> list[OrderIntent]:
    return [o.intent for o in turn.book.orders.values() if o.intent.leg == "entry"]


def test_a_maker_entry_is_repriced_twice_and_then_gone() -> None:
    first, second, third = rested("maker_only", 50_100, 50_050, 50_075)
    assert kinds(first) == kinds(second) == ["entry.canceled", "entry.placed"]
    assert [c.reason for c in first.changes if isinstance(c, OrderChange)] == ["repriced", None]
    assert [i.price for i in working(first)] == [D("50094.9")]
    assert [i.price for i in working(second)] == [D("50044.9")]
    assert kinds(third) == ["entry.canceled"]
    assert not third.book.orders


def test_each_price_has_an_id_of_its_own_that_a_repetition_repeats() -> None:
    first, second, _ = rested("maker_only", 50_100, 50_050, 50_075)
    again = rested("maker_only", 50_100)[0]
    assert working(first)[0].client_order_id == working(again)[0].client_order_id
    assert working(first)[0].client_order_id != working(second)[0].client_order_id


def test_maker_preferred_takes_in_the_end() -> None:
    last = rested("maker_preferred", 50_100, 50_050, 50_075)[-1]
    assert kinds(last) == [
        "entry.canceled",
        "entry.placed",
        "entry.filled",
        "opened",
        "stop.placed",
        "target.placed",
    ]
    (fill,) = [c.fill for c in last.changes if isinstance(c, OrderChange) and c.fill]
    assert fill.liquidity == "taker"


def test_nothing_follows_once_the_decision_has_expired() -> None:
    (first,) = rested("maker_preferred", 50_100, lasts=60)
    assert kinds(first) == ["entry.canceled"]
    assert not first.book.orders


def test_an_entry_rests_no_longer_than_its_decision() -> None:
    turn = submitted(book(), instruction(**LIMIT), quote(50_000), preference="maker_only", lasts=20)
    assert [i.expires_at for i in working(turn)] == [NOW + timedelta(seconds=20)]


def test_an_account_that_may_not_open_reprices_nothing() -> None:
    turn = submitted(book(), instruction(**LIMIT), quote(50_000), preference="maker_only")
    halted = replace(turn, book=replace(turn.book, trading_state="reducing"))
    assert not ticked(halted, quote(50_100, seconds=60)).book.orders


def test_what_has_filled_is_not_ordered_again() -> None:
    turn = submitted(book(), instruction(**LIMIT), quote(50_000), preference="maker_only")
    part = ticked(turn, quote(49_899, seconds=30, size=0.04))
    after = ticked(part, quote(49_900, seconds=60))
    assert sum(i.quantity for i in working(after)) == D("0.06")


def test_a_ladder_rests_for_a_day_at_its_own_prices() -> None:
    rungs = tuple(Rung(price=D(49_900) - 250 * n, quantity=D("0.02")) for n in range(5))
    turn = submitted(
        book(), instruction(**LIMIT, rungs=rungs, stop=D(47_000)), quote(50_000), preference="maker_only", lasts=60
    )
    assert {i.expires_at for i in working(turn)} == {NOW + timedelta(hours=24)}
    hour = ticked(turn, quote(49_640, seconds=3_600))
    assert fills(hour) == [("49900", "0.02"), ("49650", "0.02")]
    stop = hour.book.leg(SYMBOL, "stop")
    assert stop is not None
    assert stop.left == D("0.04")
    day = ticked(hour, quote(49_640, seconds=86_400))
    assert not working(day)
    assert day.book.positions


@given(st.integers(48_000, 55_000), st.sampled_from(["maker_only", "maker_preferred"]), st.integers(0, 2))
def test_a_successor_never_costs_or_risks_more(price: int, preference: str, rests: int) -> None:
    turn = submitted(book(), instruction(**LIMIT), quote(50_000), preference=preference)
    (order,) = turn.book.orders.values()
    order = replace(order, rests=rests)
    after = successor(order, market(quote(float(price), seconds=60), seconds=60))
    if after is None or order.stop is None:
        return
    paid = after.reference
    assert after.intent.quantity <= order.left
    assert after.intent.quantity * paid <= order.left * order.reference
    assert after.intent.quantity * (paid - order.stop) <= order.left * (order.reference - order.stop)
