"""Candles as the venue plays them: the extreme that hurts first, and whether the order of extremes decided."""

from datetime import timedelta
from decimal import Decimal as D

import pytest

from libs.schemas.market import Candle
from services.executor.domain.bars import on_bar, quotes
from services.executor.domain.changes import Turn
from tests import builders
from tests.fakes.executor_values import NOW, book, instruction, market, quote
from tests.unit.executor.paper import fills, submitted


def candle(open_: float, high: float, low: float, close: float, *, volume: float = 100) -> Candle:
    return builders.candle(open_time=NOW, open=open_, high=high, low=low, close=close, volume=volume)


def played(turn: Turn, bar: Candle) -> tuple[Turn, bool]:
    result = on_bar(Turn(turn.book), bar, market(quote(50_000)))
    return result.turn, result.decided


@pytest.mark.parametrize(("side", "stop", "target"), [("buy", 49_000, 52_000), ("sell", 51_000, 48_000)])
def test_a_bar_that_reaches_both_stop_and_target_hits_the_stop_and_says_so(side: str, stop: int, target: int) -> None:
    turn = submitted(book(), instruction(side, stop=D(stop), target=D(target)), quote(50_000))
    after, decided = played(turn, candle(50_000, 52_500, 47_500, 50_000))
    (trade,) = after.book.closed_trades
    assert trade.pnl < 0
    assert decided


def test_a_bar_that_reaches_one_of_them_is_decided_by_the_prices() -> None:
    turn = submitted(book(), instruction(), quote(50_000))
    after, decided = played(turn, candle(50_000, 52_500, 49_500, 52_000))
    assert after.book.closed_trades[0].pnl > 0
    assert not decided


def test_a_bar_inside_everything_changes_nothing() -> None:
    turn = submitted(book(), instruction(), quote(50_000))
    after, decided = played(turn, candle(50_000, 50_100, 49_900, 50_050))
    assert not after.changes
    assert not decided


def test_the_volume_is_spread_over_four_prices_and_adds_up() -> None:
    bar = candle(50_000, 50_300, 49_700, 50_100, volume=1.0)
    played_as = quotes(bar, low_first=True)
    assert [q.price for q in played_as] == [D("50000.0"), D("49700.0"), D("50300.0"), D("50100.0")]
    assert sum(q.size or 0 for q in played_as) == 1
    assert [q.at - bar.open_time for q in played_as] == [timedelta(seconds=15 * n) for n in range(4)]


def test_a_limit_takes_no_more_than_the_volume_of_the_price_that_reached_it() -> None:
    final = instruction(type="limit", time_in_force="post_only", limit_price=D(49_900))
    turn = submitted(book(), final, quote(50_000))
    after, _ = played(turn, candle(50_000, 50_300, 49_700, 50_100, volume=0.2))
    assert fills(after) == [("49900", "0.050")]
