"""Controls: what each state cancels, what it keeps, and that it is done once."""

from dataclasses import replace
from decimal import Decimal as D

import pytest

from libs.schemas.account import ControlRequested, TradingState
from services.executor.domain import paper
from services.executor.domain.book import AccountBook
from services.executor.domain.changes import OrderChange, StateChange, Turn
from services.executor.domain.control import control
from tests import builders
from tests.fakes.executor_values import NOW, SYMBOL, book, instruction, market, quote, validated, working


def requested(state: str, control_id: str = "c-1") -> ControlRequested:
    return builders.control(state, "paper-1", control_id=control_id, reason="test", by="operator", requested_at=NOW)


def trading() -> AccountBook:
    """A position with stop and target, and a resting entry."""
    turn = Turn(book())
    limit = instruction("adjust_position", type="limit", time_in_force="post_only", limit_price=D(49_900))
    for decision, final in (("dec-1", instruction()), ("dec-2", limit)):
        for order in working(validated(final, decision=decision), turn.book):
            turn = paper.submit(turn, order, market(quote(50_000)))
    return turn.book


@pytest.mark.parametrize("state", ["reducing", "halted"])
def test_reducing_and_halted_cancel_entries_and_keep_protection(state: str) -> None:
    after = control(Turn(trading()), requested(state), market(quote(50_000)))
    assert after.book.trading_state == state
    assert sorted(o.intent.leg for o in after.book.orders.values()) == ["stop", "target"]
    assert SYMBOL in after.book.positions


def test_flatten_closes_everything_and_halts() -> None:
    after = control(Turn(trading()), requested("flatten"), market(quote(50_000)))
    assert after.book.trading_state == "halted"
    assert not after.book.positions
    assert not after.book.orders
    fills = [c for c in after.changes if isinstance(c, OrderChange) and c.kind == "filled"]
    assert [(c.intent.leg, c.reason) for c in fills] == [("flatten", "flatten")]


def test_flatten_without_a_price_keeps_the_stop_until_the_next_tick_closes() -> None:
    waiting = control(Turn(trading()), requested("flatten"), market(quote(50_000), seconds=120))
    assert sorted(o.intent.leg for o in waiting.book.orders.values()) == ["flatten", "stop", "target"]
    tick = quote(49_500, seconds=121)
    after = paper.on_tick(Turn(waiting.book), tick, market(tick, seconds=121))
    assert not after.book.positions
    assert not after.book.orders


def test_a_control_is_done_once() -> None:
    once = control(Turn(trading()), requested("flatten"), market(quote(50_000)))
    active = control(Turn(once.book), requested("active", "c-2"), market(quote(50_000)))
    assert active.book.trading_state == "active"
    again = control(Turn(active.book), requested("flatten"), market(quote(50_000)))
    assert again.book is active.book


def test_a_change_of_state_says_who_and_why() -> None:
    after = control(Turn(book()), requested("halted"), market(quote(50_000)))
    assert after.changes == (StateChange("active", "halted", "operator", "test"),)


@pytest.mark.parametrize(
    ("before", "wanted", "after", "by"),
    [
        ("active", "reducing", "reducing", "abstentions"),
        ("reducing", "halted", "halted", "abstentions"),
        ("halted", "reducing", "halted", ""),
        ("reducing", "active", "reducing", ""),
    ],
)
def test_what_no_person_asked_for_only_makes_trading_stricter(
    before: TradingState, wanted: str, after: str, by: str
) -> None:
    held = replace(trading(), trading_state=before)
    body = requested(wanted).model_copy(update={"automatic": True, "by": "abstentions"})
    turn = control(Turn(held), body, market(quote(50_000)))
    assert (turn.book.trading_state, turn.book.moved_by) == (after, by)
    assert any(o.intent.leg == "entry" for o in turn.book.orders.values()) == (after == before)
    assert control(Turn(turn.book), body, market(quote(50_000))).book is turn.book
