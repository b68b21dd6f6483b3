"""The columns of a replay say what the feed says of the same bars."""

import pytest

from libs.schemas.base import TIMEFRAME_SECONDS, Timeframe
from libs.schemas.market import MarketTick
from replay.tape import NEVER, Grid, Tape
from services.feed.domain.bars import MINUTE, STEP, TICKS_PER_BAR, bar_ticks
from services.feed.domain.timeframes import TIMEFRAMES, candle, floor
from tests.unit.replay.markets import BEGINS, SYMBOLS, market

PLAYED = market(2_000, 0, gaps=True)
TAPE = Tape(PLAYED, SYMBOLS[0])


@pytest.mark.parametrize("timeframe", list(TIMEFRAME_SECONDS))
def test_candles_are_the_feeds_to_the_last_bit(timeframe: Timeframe) -> None:
    length = TIMEFRAMES[timeframe]
    at, expected = floor(PLAYED.begins, length), []
    while at < PLAYED.ends:
        made = candle(PLAYED.columns(SYMBOLS[0], at, at + length), timeframe)
        if made is not None:
            figures = made.open, made.high, made.low, made.close, made.volume, made.quote_volume, made.trades
            expected.append((int(made.close_time.timestamp()), tuple(map(float, figures))))
        at += length
    table = TAPE.candles(timeframe)
    assert list(zip(table.ends.tolist(), table.rows, strict=True)) == expected
    assert expected or length > 20 * MINUTE


def test_ticks_are_the_feeds() -> None:
    told: list[MarketTick] = []
    for minute in range(2_000):
        opened = BEGINS + minute * MINUTE
        for bar in PLAYED.bars(SYMBOLS[0], opened, opened + MINUTE):
            if not bar.silent:
                told += bar_ticks(bar, PLAYED.source, PLAYED.funding(SYMBOLS[0], opened))
    moments = [moment for moment in range(len(TAPE)) if TAPE.newest(moment) == moment]
    assert [TAPE.tick(moment) for moment in moments] == told
    assert len(told) < 2_000 * TICKS_PER_BAR  # some minutes were missing or silent
    assert [float(TAPE.prices[moment]) for moment in moments] == [tick.price for tick in told]


def test_between_ticks_the_newest_one_is_known() -> None:
    newest: int | None = None
    for moment in range(len(TAPE)):
        if TAPE.told[moment // TICKS_PER_BAR]:
            newest = moment
        assert TAPE.newest(moment) == newest
        if newest is not None:
            assert TAPE.known[moment] == TAPE.prices[newest]
    assert TAPE.newest(len(TAPE) + 7) == newest


def test_the_first_price_beyond_a_band_is_found() -> None:
    prices = TAPE.prices.tolist()
    for after in range(0, len(prices), 97):
        for width in (0.1, 3.0, 25.0):
            low, high = 1_000 - width, 1_000 + width
            beyond = (n for n in range(after + 1, len(prices)) if prices[n] <= low or prices[n] >= high)
            assert TAPE.crosses(low, high, after) == next(beyond, NEVER)


def test_moments_and_times() -> None:
    grid = Grid.of(PLAYED)
    assert grid.at(5) == BEGINS + 5 * STEP
    assert grid.from_on(BEGINS + 5 * STEP) == 5
    assert grid.from_on(BEGINS + 5 * STEP + STEP / 9) == 6
    assert grid.before(BEGINS + 5 * STEP) == 4
