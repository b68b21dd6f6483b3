"""What is told late counts at its own time: funding at its boundary, losses in their day."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from libs.schemas.market import FundingUpdate
from services.executor.domain import paper
from services.executor.domain.book import AccountBook
from services.executor.domain.changes import PositionChange, Turn
from services.executor.domain.days import rolled
from services.executor.domain.liquidation import fund
from services.executor.domain.quote import Market
from services.executor.domain.timers import tended
from services.executor.domain.trading import TradingBounds
from tests.fakes.executor_values import NOW, SYMBOL, book, closing_instruction, instruction, market, quote
from tests.unit.executor.paper import submitted, ticked

FREE: dict[str, Any] = {"half_spread_bps": D(0), "slippage_bps": D(0), "taker_fee_bps": D(0), "maker_fee_bps": D(0)}
HOUR = 3_600
FIRST, SECOND = 8 * HOUR, 16 * HOUR
Trade = tuple[float, str, str]  # seconds after NOW, side, quantity


def traded(*trades: Trade, price: float = 100) -> AccountBook:
    """An account after these trades at one price, which cost nothing."""
    held = book()
    for n, (at, side, quantity) in enumerate(trades):
        final = instruction(side, quantity=D(quantity), leverage=D(2), entry=D(str(price)), stop=None, target=None)
        held = submitted(held, final, quote(price, seconds=at), seconds=at, decision=f"dec-{n}", **FREE).book
    return held


def told(held: AccountBook, *boundaries: tuple[int, float], at: float = 40 * HOUR, mark: float = 100) -> AccountBook:
    """The account after these boundaries (seconds after NOW, rate) were told in this order."""
    for seconds, rate in boundaries:
        update = FundingUpdate(symbol=SYMBOL, funding_time=NOW + timedelta(seconds=seconds), rate=rate, mark_price=mark)
        held = fund(Turn(held), update, market(quote(mark, seconds=at), seconds=at)).book
    return held


@pytest.mark.parametrize(
    ("trades", "boundaries", "paid"),
    [
        ([(0, "buy", "10")], [(SECOND, 0.001), (FIRST, 0.002)], "-3"),
        ([(0, "buy", "10")], [(FIRST, 0.002), (SECOND, 0.001)], "-3"),
        ([(0, "buy", "10"), (FIRST + 1, "sell", "10")], [(FIRST, 0.0025)], "-2.5"),
        ([(0, "buy", "4"), (FIRST + 1, "buy", "6")], [(FIRST, 0.001), (SECOND, 0.001)], "-1.4"),
        ([(0, "buy", "4"), (FIRST - 1, "buy", "6")], [(FIRST, 0.001)], "-1"),
        ([(0, "sell", "7"), (FIRST + 30, "buy", "9")], [(SECOND, 0.001), (FIRST, 0.001)], "0.5"),
        ([(0, "buy", "3"), (FIRST - 5, "sell", "3"), (FIRST + 5, "sell", "8")], [(FIRST, 0.01)], "0"),
        ([(0, "buy", "5"), (FIRST, "buy", "1")], [(FIRST, 0.001)], "-0.6"),
        ([(FIRST + 1, "buy", "10")], [(FIRST, 0.002)], "0"),
        ([(0, "buy", "10")], [(FIRST, 0.002), (SECOND, 0.001), (FIRST, 0.002), (SECOND, 0.001)], "-3"),
        ([(0, "buy", "10"), (FIRST + 9, "sell", "5")], [(FIRST + HOUR, 0.0006), (FIRST, 0.0006)], "-0.9"),
        ([(0, "sell", "10"), (FIRST + 9, "buy", "10")], [(FIRST, -0.00002404)], "-0.02404"),
    ],
    ids=[
        "V3: the older boundary after the newer",
        "in order",
        "closed before it was told",
        "added to before it was told",
        "added to before the boundary",
        "turned around between the two",
        "nothing was held at the boundary",
        "traded at the very boundary",
        "opened after the boundary",
        "everything is told twice",
        "M10: a boundary an hour after the other, told before it",
        "shared/data, BTC, 5 May 2025: a short pays, and was closed before it was told",
    ],
)
def test_funding_is_owed_on_what_was_held_at_the_boundary(
    trades: list[Trade], boundaries: list[tuple[int, float]], paid: str
) -> None:
    before = traded(*trades)
    after = told(before, *boundaries)
    assert after.funding_total == D(paid)
    assert after.wallet - before.wallet == D(paid)


def test_late_funding_is_in_the_trade_that_owed_it_and_in_its_event() -> None:
    held = traded((0, "buy", "10"), (FIRST + 1, "sell", "10"), (FIRST + 2, "sell", "3"))
    (before,) = held.closed_trades
    update = FundingUpdate(symbol=SYMBOL, funding_time=NOW + timedelta(seconds=FIRST), rate=0.01, mark_price=100)
    turn = fund(Turn(held), update, market(quote(100, seconds=SECOND), seconds=SECOND))
    (trade,) = turn.book.closed_trades
    assert (trade.funding, trade.pnl) == (before.funding - 10, before.pnl - 10)
    assert turn.book.performance.total_pnl == trade.pnl
    assert turn.book.positions == held.positions, "the position of now owes nothing"
    (change,) = [c for c in turn.changes if isinstance(c, PositionChange)]
    assert (change.funding, change.decision_id) == (D(-10), before.decision_id)
    assert change.closed == before


def test_a_flat_account_still_hears_of_the_funding_of_what_it_held() -> None:
    held = traded((0, "buy", "10"), (FIRST + 1, "sell", "10"))
    assert not held.exposed
    assert held.concerned == {SYMBOL}
    assert rolled(held, market(), NOW + timedelta(hours=72)).concerned == frozenset()


def test_a_position_of_an_older_document_owes_what_it_would_have_owed() -> None:
    old = replace(traded((0, "buy", "10")), exposures={}, settled={})
    assert told(old, (SECOND, 0.001), (FIRST, 0.002)).funding_total == -3
    paid = replace(old, funded={SYMBOL: NOW + timedelta(seconds=FIRST)})
    assert told(paid, (SECOND, 0.001), (FIRST, 0.002)).funding_total == -1, "the first one was paid by then"


MIDNIGHT = datetime(2026, 3, 3, tzinfo=UTC)
TO_MIDNIGHT = (MIDNIGHT - NOW).total_seconds()


def at_night(now: float, price: float, before: float) -> Market:
    """The market `now` seconds after midnight, with the last price of the day that ended."""
    old = quote(before, seconds=TO_MIDNIGHT - 3)
    seen = market(quote(price, seconds=TO_MIDNIGHT + now), seconds=TO_MIDNIGHT + now, **FREE)
    return Market(seen.quotes, seen.rules, seen.now, midnights={SYMBOL: old})


@pytest.mark.parametrize(
    "late",
    [0.2, 5.0, 15.0, 59.0, 240.0, 2_400.0],
    ids=["at once", "5 s", "60 times", "a minute", "400 times", "13 May 2022: LUNA halted at 00:40 UTC"],
)
@pytest.mark.parametrize("closed", [True, False], ids=["stopped out", "still open"])
def test_a_loss_between_midnight_and_the_timer_is_of_the_new_day(late: float, closed: bool) -> None:
    moved = closing_instruction(action="adjust_orders", stop=D(95) if closed else D(60))
    held = submitted(traded((0, "buy", "10")), moved, quote(100, seconds=1), seconds=1, decision="dec-s", **FREE).book
    night = at_night(late / 2, 90, 102)
    fell = paper.on_tick(Turn(held), night.quotes[SYMBOL], night)
    after = tended(Turn(fell.book), at_night(late, 90, 102), TradingBounds(max_daily_loss=D("1.1"))).book
    assert after.day.start == MIDNIGHT
    assert after.day.open_equity == 10_020, "at the last mark of the day before"
    assert after.day.realised == (-100 if closed else 0)
    assert after.trading_state == "reducing", "120 of 10 020 are lost"


def test_a_day_that_began_by_a_fill_ends_what_the_last_one_began() -> None:
    held = traded((0, "buy", "10"))
    lost = tended(Turn(held), market(quote(90), **FREE), TradingBounds(max_daily_loss=D(1))).book
    assert lost.trading_state == "reducing"
    night = at_night(2, 90, 90)
    after = paper.on_tick(Turn(lost), night.quotes[SYMBOL], night)
    assert (after.book.trading_state, after.book.moved_by) == ("active", "")


def test_what_belongs_to_the_day_before_changes_what_the_new_day_opened_with() -> None:
    held = traded((0, "buy", "10"))
    night = at_night(1, 100, 100)
    new_day = paper.on_tick(Turn(held), night.quotes[SYMBOL], night).book
    after = told(new_day, (FIRST, 0.01), at=TO_MIDNIGHT + 60)
    assert after.wallet == new_day.wallet - 10
    assert (after.day.realised, after.day.open_equity) == (D(0), new_day.day.open_equity - 10)


def test_a_late_tick_does_not_liquidate_what_was_bought_since() -> None:
    small = traded((0, "buy", "10"))
    large = submitted(
        small,
        instruction(quantity=D(150), leverage=D(2), entry=D(100), stop=None, target=None),
        quote(100, seconds=60),
        seconds=60,
        decision="dec-9",
        **FREE,
    ).book
    assert SYMBOL in ticked(Turn(large), quote(99, seconds=30), **FREE).book.positions
    assert ticked(Turn(large), quote(1, seconds=30), **FREE).book.positions[SYMBOL].position.quantity == 160
    assert not ticked(Turn(large), quote(1, seconds=61), **FREE).book.positions
