"""A ladder's stop and target keep their distance from the average of what is filled."""

from decimal import Decimal as D
from typing import Any

import pytest

from cli.run.seed import read_strategies
from libs.risk.judge import judge
from libs.risk.values import Limits
from libs.schemas.verdict import AssetVerdict
from services.executor.domain import paper
from services.executor.domain.book import AccountBook
from services.executor.domain.changes import OrderChange, Turn
from services.executor.domain.plan import orders, plan
from tests import builders
from tests.fakes.executor_values import (
    NOW,
    SYMBOL,
    account,
    book,
    closing_instruction,
    filters,
    market,
    quote,
    validated,
)
from tests.unit.executor.paper import submitted
from tests.unit.risk import samples

DCA = next(s for s in read_strategies() if s.strategy_id == "dca")
FREE: dict[str, Any] = {"tick_size": D("0.01"), "half_spread_bps": D(1), "slippage_bps": D(0)}


def laddered(price: float, action: Any = "buy", **asked: Any) -> AccountBook:
    """An account whose dca ladder of five rungs rests from a price on."""
    row = builders.row(SYMBOL, action, allocation_usd=2_000, leverage=2, limit_price=price, confidence=80, **asked)
    decision = builders.decision(row)
    seen = builders.facts({SYMBOL: builders.seen(price, last=price, bid=price, ask=price, age_seconds=0)}, as_of=NOW)
    config = account(strategy_id="dca", symbols=(SYMBOL,))
    limits = Limits(DCA, config, {SYMBOL: filters(**FREE)})
    verdicts = judge(decision, seen, samples.account(), limits, NOW, expires_at=samples.LATER.replace(year=2027))
    wire: tuple[AssetVerdict, ...] = verdicts.to_wire()
    assert wire[0].final is not None, wire[0].receipts
    body = validated(wire[0].final)
    turn = Turn(book())
    for order in orders(plan(body, wire, turn.book, NOW, DCA)):
        turn = paper.submit(turn, order, market(quote(price), **FREE))
    assert len(turn.book.orders) == 5
    return turn.book


def fell(held: AccountBook, price: float, seconds: float = 1) -> Turn:
    at = quote(price, seconds=seconds, mark_price=price)
    return paper.on_tick(Turn(held), at, market(at, seconds=seconds, **FREE))


@pytest.mark.parametrize(
    ("first", "to", "rungs"),
    [
        (250.0, 249.5, 1),
        (2_000.0, 1_985.0, 2),
        (60_000.0, 59_350.0, 3),
        (78_500.0, 77_100.0, 4),
        (455.5, 446.0, 5),
        (7_900.0, 7_740.0, 5),
    ],
    ids=[
        "V5: the first rung alone",
        "two",
        "three",
        "7 April 2025: 78 500 to 77 100",
        "all five",
        "12 March 2020: below 7 900",
    ],
)
@pytest.mark.parametrize("action", ["buy", "sell"])
def test_the_exits_follow_the_average_of_what_is_filled(first: float, to: float, rungs: int, action: str) -> None:
    s = 1 if action == "buy" else -1
    after = fell(laddered(first, action), to if action == "buy" else 2 * first - to)
    position = after.book.positions[SYMBOL].position
    filled = [c for c in after.changes if isinstance(c, OrderChange) and c.fill]
    assert len(filled) == rungs
    stop, target = position.stop_loss, position.take_profit
    assert stop is not None
    assert target is not None
    assert abs(stop / position.entry_price - (1 - s * D("0.06"))) <= D("0.01") / position.entry_price
    assert abs(target / position.entry_price - (1 + s * D("0.03"))) <= D("0.01") / position.entry_price
    legs = [o.intent for o in after.book.of(SYMBOL) if o.intent.leg in ("stop", "target")]
    assert sorted(i.leg for i in legs) == ["stop", "target"]
    assert all(i.quantity == position.quantity for i in legs)


def test_every_further_rung_moves_both_exits() -> None:
    held, seen = laddered(100.0), []
    for n, price in enumerate((99.9, 99.4, 98.9, 98.4, 97.9), start=1):
        held = fell(held, price, n).book
        position = held.positions[SYMBOL].position
        seen.append((position.stop_loss, position.take_profit))
    assert seen[0] == (D("94.00"), D("103.00"))
    assert seen[-1] == (D("93.06"), D("101.97"))
    assert len(set(seen)) == 5


def test_levels_that_were_asked_for_stay_where_they_are() -> None:
    held = laddered(100.0, sl_price=90.5, tp_price=111.5)
    for n, price in enumerate((99.9, 98.4), start=1):
        held = fell(held, price, n).book
        position = held.positions[SYMBOL].position
        assert (position.stop_loss, position.take_profit) == (D("90.50"), D("111.50"))


def test_a_stop_that_another_decision_moved_is_not_taken_back_by_a_late_rung() -> None:
    held = fell(laddered(100.0), 99.9).book
    moved = closing_instruction(action="adjust_orders", stop=D(96), target=D(102))
    held = submitted(held, moved, quote(99.9, seconds=2), seconds=2, decision="dec-2", **FREE).book
    position = fell(held, 99.4, 3).book.positions[SYMBOL].position
    assert (position.stop_loss, position.take_profit) == (D(96), D(102))
