"""Timers: holding times, missing stops, the daily loss and the day's end, in market time."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D

import pytest

from libs.schemas.reasons import OrderReason
from services.executor.domain import paper
from services.executor.domain.book import AccountBook, equity, next_expiry
from services.executor.domain.changes import AlertChange, OrderChange, PositionChange, StateChange, Turn, seal
from services.executor.domain.control import control
from services.executor.domain.plan import orders, plan
from services.executor.domain.quote import Market
from services.executor.domain.timers import ailing, tended
from services.executor.domain.trading import TradingBounds
from tests import builders
from tests.fakes.executor_values import NOW, SYMBOL, book, instruction, market, quote, strategy, validated, working

BOUNDS = TradingBounds(max_daily_loss=D(2), max_drawdown=D(30))


def at(price: float, seconds: float, **over: object) -> Market:
    return replace(market(quote(price, seconds=seconds), seconds=seconds), **over)  # type: ignore[arg-type]


def opened(held: AccountBook | None = None, *, refuses: bool = False) -> Turn:
    now = at(50_000, 0, refuses=frozenset({"stop"}) if refuses else frozenset())
    turn = Turn(held or book())
    for order in working(validated(instruction()), turn.book):
        turn = paper.submit(turn, order, now)
    return turn


def test_a_position_is_closed_when_it_was_held_long_enough() -> None:
    body = validated(instruction())
    made = plan(body, body.verdicts, book(), NOW, strategy().model_copy(update={"max_hold_minutes": 30}))
    turn = Turn(book())
    for order in orders(made):
        turn = paper.submit(turn, order, at(50_000, 0))
    assert next_expiry(turn.book) == NOW + timedelta(minutes=30)
    early = tended(Turn(turn.book), at(50_000, 1_799), BOUNDS)
    assert early.book is turn.book
    closed = tended(Turn(turn.book), at(50_000, 1_800), BOUNDS)
    assert not closed.book.positions
    assert [c.cause for c in closed.changes if isinstance(c, PositionChange)] == [OrderReason.MAX_HOLD]


def test_a_venue_that_rejects_stops_leaves_no_position_longer_than_the_grace() -> None:
    turn = opened(refuses=True)
    assert turn.book.positions[SYMBOL].bare_since == NOW
    assert turn.book.leg(SYMBOL, "stop") is None
    assert tended(Turn(turn.book), at(50_000, 4.9), BOUNDS).book.positions
    closed = tended(Turn(turn.book), at(50_000, 5), BOUNDS)
    assert not closed.book.positions
    assert not closed.book.orders
    (alert,) = [c for c in closed.changes if isinstance(c, AlertChange)]
    assert (alert.kind, alert.severity) == ("protection", "critical")
    assert [c.cause for c in closed.changes if isinstance(c, PositionChange)] == [OrderReason.UNPROTECTED]


def test_a_venue_that_refuses_to_close_as_well_is_told_of_once_a_minute() -> None:
    bare = opened(refuses=True).book

    def told(seconds: float) -> str | None:
        changes = tended(Turn(bare), at(50_000, seconds), BOUNDS).changes
        return next(c.name for c in changes if isinstance(c, AlertChange))

    assert told(5) == told(5.25) == told(59) != told(60)


def test_a_flatten_that_waits_for_a_price_is_not_sent_twice() -> None:
    turn = opened(refuses=True)
    stale = replace(at(50_000, 0), now=NOW + timedelta(seconds=100))
    first = tended(Turn(turn.book), stale, BOUNDS)
    assert [c.kind for c in first.changes if isinstance(c, OrderChange)] == ["placed"]
    again = tended(Turn(first.book), stale, BOUNDS)
    assert again.book is first.book
    assert not paper.on_tick(Turn(again.book), quote(50_000, seconds=101), at(50_000, 101)).book.positions


def test_a_stop_that_is_cancelled_or_that_nobody_saw_go_starts_the_grace() -> None:
    turn = opened()
    stop = turn.book.leg(SYMBOL, "stop")
    assert stop is not None
    cancelled = paper.canceled(Turn(turn.book), stop.intent.client_order_id, OrderReason.CONTROL, NOW)
    assert cancelled.book.positions[SYMBOL].bare_since == NOW
    lost = replace(turn.book, orders={})
    assert ailing(lost, at(50_000, 7), BOUNDS)
    assert not ailing(turn.book, at(50_000, 7), BOUNDS)
    seen = tended(Turn(lost), at(50_000, 7), BOUNDS)
    assert seen.book.positions[SYMBOL].bare_since == NOW + timedelta(seconds=7)
    assert not tended(Turn(seen.book), at(50_000, 12), BOUNDS).book.positions


def test_a_protected_position_is_left_alone() -> None:
    turn = opened()
    assert turn.book.positions[SYMBOL].bare_since is None
    assert tended(Turn(turn.book), at(50_000, 3_600), BOUNDS).book is turn.book


def test_the_daily_loss_reduces_until_the_next_day_and_says_so() -> None:
    turn = opened()
    lost = tended(Turn(turn.book), at(47_900, 10), BOUNDS)
    assert (lost.book.trading_state, lost.book.moved_by) == ("reducing", "daily_loss")
    assert [c.kind for c in lost.changes if isinstance(c, AlertChange)] == ["risk_limit_exceeded"]
    assert lost.book.positions, "positions stay: only entries are gone"
    again = tended(Turn(lost.book), at(47_900, 20), BOUNDS)
    assert again.book is lost.book
    tomorrow = tended(Turn(lost.book), at(47_900, 12 * 3_600), BOUNDS)
    assert (tomorrow.book.trading_state, tomorrow.book.moved_by) == ("active", "")
    assert tomorrow.book.day.open_equity < 9_800
    assert [c.why for c in tomorrow.changes if isinstance(c, StateChange)] == ["a new UTC day has begun"]


def test_what_a_person_reduced_stays_so_on_the_next_day() -> None:
    lost = tended(Turn(opened().book), at(47_900, 10), BOUNDS)
    body = builders.control("reducing", "paper-1", reason="wait", by="me", requested_at=NOW)
    held = control(Turn(lost.book), body, at(47_900, 11))
    assert tended(Turn(held.book), at(47_900, 12 * 3_600), BOUNDS).book.trading_state == "reducing"


def test_repeated_venue_errors_reduce() -> None:
    held = book()
    for n in range(5):
        turn = Turn(held)
        body = validated(instruction(), decision=f"dec-{n}")
        for order in working(body, held):
            turn = paper.submit(turn, order, at(50_000, n, refuses=frozenset({"entry"})))
        held, _ = seal(turn, NOW + timedelta(seconds=n))
    reduced = tended(Turn(held), at(50_000, 6), BOUNDS)
    assert (reduced.book.trading_state, reduced.book.moved_by) == ("reducing", "venue_errors")
    assert tended(Turn(held), at(50_000, 120), BOUNDS).book.trading_state == "active"


@pytest.mark.parametrize(("price", "state"), [(20_000, "halted"), (49_000, "active")])
def test_a_deep_drawdown_halts(price: float, state: str) -> None:
    held = replace(book(), peak=D(10_000), wallet=D(6_900) if state == "halted" else D(9_900))
    assert tended(Turn(held), at(price, 1), TradingBounds(max_drawdown=D(30))).book.trading_state == state


@pytest.mark.parametrize(
    ("bounds", "state"),
    [(TradingBounds(max_drawdown=D(30)), "active"), (TradingBounds(max_daily_loss=D(2)), "reducing")],
    ids=["a drawdown is counted anew", "the daily loss is not forgiven"],
)
def test_a_person_may_let_an_account_trade_again(bounds: TradingBounds, state: str) -> None:
    halted = tended(Turn(replace(book(), wallet=D(6_000))), at(50_000, 1), bounds)
    assert halted.book.trading_state != "active"
    body = builders.control("active", "paper-1", reason="seen", by="me", requested_at=NOW)
    again = control(Turn(halted.book), body, at(50_000, 2))
    assert again.book.trading_state == "active"
    sealed, _ = seal(again, NOW)
    assert tended(Turn(sealed), at(50_000, 3), bounds).book.trading_state == state


def test_a_moved_state_says_since_when_by_whom_and_why_and_what_ends_it() -> None:
    assert opened().book.standing is None
    later = NOW + timedelta(seconds=10)
    held, _ = seal(tended(Turn(opened().book), at(47_900, 10), BOUNDS), later)
    assert held.standing is not None
    assert (held.standing.since, held.standing.by, held.standing.ends) == (later, "executor", "day")
    assert "are lost" in held.standing.why

    body = builders.control("reducing", "paper-1", reason="wait", by="me", requested_at=NOW)
    taken, _ = seal(control(Turn(held), body, at(47_900, 11)), later + timedelta(seconds=1))
    assert taken.standing is not None
    assert (taken.standing.since, taken.standing.by, taken.standing.why) == (later, "me", "wait")
    assert taken.standing.ends == "person", "the day's end does not end what a person wants"

    tomorrow, _ = seal(tended(Turn(held), at(47_900, 12 * 3_600), BOUNDS), NOW + timedelta(hours=12))
    assert tomorrow.standing is not None
    assert (tomorrow.trading_state, tomorrow.standing.why) == ("active", "a new UTC day has begun")


def test_a_day_that_the_market_has_not_reached_begins_anew_with_the_equity_of_now() -> None:
    """The account was opened by wall time, before the feed set the market's clock: its losses would never count."""
    held = opened().book
    ahead = replace(held, day=held.day.model_copy(update={"start": NOW + timedelta(days=400)}))
    begun = tended(Turn(ahead), at(49_500, 60), BOUNDS).book
    assert begun.day.start <= NOW < begun.day.start + timedelta(days=1)
    assert begun.day.open_equity == equity(held, {SYMBOL: D(49_500)})
    assert tended(Turn(begun), at(49_500, 61), BOUNDS).book is begun
    lost = tended(Turn(begun), at(30_000, 62), BOUNDS)
    assert lost.book.trading_state != "active"
