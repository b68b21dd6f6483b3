"""Bars as ticks, and back."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.market import MarketTick
from services.feed.adapters.csv import read_candles
from services.feed.domain.bars import Bars, MinuteBar, bar_ticks, sizes
from services.feed.domain.funding import FundingRate
from services.feed.domain.timeframes import candle
from tests.fakes.feed_markets import MIDNIGHT, REAL, bars, rate
from tests.forms import sized

PRICES = st.floats(min_value=1e-6, max_value=1e9)
VOLUMES = st.floats(min_value=0, max_value=1e12)


def fold(ticks: tuple[MarketTick, ...]) -> tuple[float, float, float, float, float]:
    prices = [tick.price for tick in ticks]
    volume = 0.0
    for tick in ticks:
        volume += tick.size or 0.0
    return prices[0], max(prices), min(prices), prices[-1], volume


@given(st.lists(PRICES, min_size=4, max_size=4).map(sorted), st.permutations([1, 2]), VOLUMES)
def test_any_bar_survives_being_played_and_folded(prices: list[float], inner: list[int], volume: float) -> None:
    bar = MinuteBar("AAA", MIDNIGHT, prices[inner[0]], prices[3], prices[0], prices[inner[1]], volume)
    assert fold(bar_ticks(bar, "test", None)) == (bar.open, bar.high, bar.low, bar.close, bar.volume)


@given(VOLUMES)
def test_four_sizes_sum_to_the_volume_to_the_last_bit(volume: float) -> None:
    a, b, c, d = sizes(volume)
    assert a + b + c + d == volume
    assert min(a, b, c, d) >= 0


@pytest.mark.parametrize(
    ("opened", "closed", "played"),
    [
        (10.0, 11.0, [10.0, 9.0, 12.0, 11.0]),
        (11.0, 10.0, [11.0, 12.0, 9.0, 10.0]),
        (10.0, 10.0, [10.0, 9.0, 12.0, 10.0]),
    ],
    ids=["rising: low first", "falling: high first", "unchanged: as rising"],
)
def test_the_order_of_extremes_follows_the_direction(opened: float, closed: float, played: list[float]) -> None:
    ticks = bar_ticks(MinuteBar("AAA", MIDNIGHT, opened, 12.0, 9.0, closed, 4.0), "test", None)
    assert [tick.price for tick in ticks] == played


def test_ticks_are_15_seconds_apart_and_named_after_their_bar() -> None:
    ticks = bar_ticks(bars("AAA", [100.0]).between(MIDNIGHT, MIDNIGHT + timedelta(minutes=1))[0], "replay", None)
    assert [(tick.ts - MIDNIGHT).total_seconds() for tick in ticks if tick.ts] == [0, 15, 30, 45]
    assert [tick.tick_id for tick in ticks] == [f"replay:AAA:1746403200000:{n}" for n in range(4)]
    assert {tick.source for tick in ticks} == {"replay"}


@pytest.mark.parametrize("funding", [None, rate(0, -0.0003)], ids=["unknown", "known"])
def test_ticks_carry_the_funding_that_was_known(funding: FundingRate | None) -> None:
    (tick, *_) = bar_ticks(MinuteBar("AAA", MIDNIGHT, 1, 1, 1, 1, 0), "test", funding)
    assert tick.funding_rate == (funding and -0.0003)
    assert tick.next_funding_time == (funding and MIDNIGHT + timedelta(hours=8))


@pytest.mark.skipif(not REAL.is_dir(), reason="the real candles are not beside the project")
@pytest.mark.parametrize(
    "symbol",
    ["BTCUSDT", "XRPUSDT", *(pytest.param(name, marks=pytest.mark.long) for name in ("ETHUSDT", "SOLUSDT", "BNBUSDT"))],
)
def test_every_real_candle_survives_being_played_and_folded(symbol: str) -> None:
    read = read_candles(REAL / f"{symbol}-1m.csv.gz", symbol)
    every = read.between(read.first, read.end)
    assert len(every) == 20_160
    for bar in every[:: sized(12, 1)]:
        assert fold(bar_ticks(bar, "replay", None)) == (bar.open, bar.high, bar.low, bar.close, bar.volume)


def test_only_bars_that_open_in_the_span_are_given() -> None:
    three = bars("AAA", [1.0, 2.0, 3.0])
    minute = timedelta(minutes=1)
    assert [bar.close for bar in three.between(MIDNIGHT - 5 * minute, MIDNIGHT + minute)] == [1.0]
    assert [bar.close for bar in three.between(MIDNIGHT + minute, MIDNIGHT + 9 * minute)] == [2.0, 3.0]
    assert three.between(MIDNIGHT + 3 * minute, MIDNIGHT + 9 * minute) == []
    assert three.between(MIDNIGHT - 2 * minute, MIDNIGHT - minute) == []


def test_a_cut_gives_the_bars_of_the_whole_and_knows_what_was_before() -> None:
    columns = ([5.0, 5.0, 6.0, 6.0], [5.0, 5.0, 6.0, 6.0], [5.0, 5.0, 6.0, 6.0], [5.0, 5.0, 6.0, 6.0], [1.0, 0, 0, 0])
    four, minute = Bars("AAA", MIDNIGHT, *columns), timedelta(minutes=1)
    every = four.between(four.first, four.end)
    assert [bar.silent for bar in every] == [False, True, False, True]
    for n, bar in enumerate(every):
        at = MIDNIGHT + n * minute
        assert four.cut(at, at + minute).between(at, at + minute) == [bar]
    for start, end in ((-2, -1), (4, 5), (9, 12), (3, 1)):
        assert list(four.cut(MIDNIGHT + start * minute, MIDNIGHT + end * minute).open) == []


def test_a_candle_counts_the_ticks_of_minutes_that_are_played() -> None:
    prices = [5.0, 5.0, 6.0]
    three = Bars("AAA", MIDNIGHT, prices, prices, prices, prices, [1.0, 0.0, 2.0])
    made = candle(three, "3m")
    assert made is not None
    assert (made.trades, made.volume, made.quote_volume) == (8, 3.0, 5.0 + 12.0)
