from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.market import MarketTick
from services.context.domain.candles import Track
from services.context.domain.market import Bounds, MarketState
from services.context.domain.series import Bar, Source
from tests.fakes.context_values import S0, at, candle, tick

PRICES = st.integers(1, 2**20).map(lambda n: n / 64)  # sums of these are exact in any order
SIZES = st.integers(0, 2**10).map(lambda n: n / 64)


def fold(ticks: list[MarketTick], lateness: float = 2.0) -> list[Bar]:
    track = Track(ticks[0], lateness, 0)
    bars = []
    for t in ticks:
        if track.add(t):
            bars += track.close_by_ticks()
    return bars + track.close_by_clock(int(track.newest) // 60 * 60 + 60, 1e9)


@st.composite
def within_bound(draw: st.DrawFn, lateness: int = 5) -> tuple[list[MarketTick], list[MarketTick]]:
    """Ticks in order of their times, and in an order in which none is later than the bound."""
    seconds = draw(st.lists(st.integers(0, 400 * 8).map(lambda n: n / 8), min_size=1, max_size=60, unique=True))
    ticks = [tick(s, draw(PRICES), draw(SIZES)) for s in sorted(seconds)]
    delays = [draw(st.integers(0, lateness * 4)) / 8 for _ in ticks]
    delayed = sorted(zip(ticks, delays, strict=True), key=lambda p: (p[0].ts.timestamp() + p[1], p[1]))  # type: ignore[union-attr]
    return ticks, [t for t, _ in delayed]


@given(within_bound())
def test_any_order_within_the_bound_gives_the_same_candles(orders: tuple[list[MarketTick], list[MarketTick]]) -> None:
    ticks, shuffled = orders
    # The first to arrive opens the record: an earlier minute is not known to have been unfinished then.
    first = min(ticks, key=lambda t: t.ts.timestamp())  # type: ignore[union-attr]
    assert fold([first, *(t for t in shuffled if t is not first)], 5.0) == fold(ticks, 5.0)


@given(within_bound())
def test_nothing_of_the_ticks_is_lost_in_their_candles(orders: tuple[list[MarketTick], list[MarketTick]]) -> None:
    ticks, _ = orders
    bars = fold(ticks)
    assert sum(b.volume for b in bars) == sum(t.size or 0 for t in ticks)
    assert sum(b.trades for b in bars) == len(ticks)
    assert max(b.high for b in bars) == max(t.price for t in ticks)
    assert min(b.low for b in bars) == min(t.price for t in ticks)
    assert bars[-1].close == ticks[-1].price
    assert all(b.open_time - a.open_time == 60 for a, b in pairwise(bars))
    assert all(b.low <= min(b.open, b.close) <= max(b.open, b.close) <= b.high for b in bars)


@given(within_bound())
def test_five_minutes_made_of_minutes_equal_those_made_of_ticks(
    orders: tuple[list[MarketTick], list[MarketTick]],
) -> None:
    ticks, _ = orders
    market = MarketState(Bounds(max_tick_age=1_000))
    market.use(["5m"])
    for n, t in enumerate([tick(0, 1.0), *(t for t in ticks if t.ts != at(0)), tick(900, 1.0)]):
        market.on_tick(t, n)
    series = market.series("BTCUSDT", "5m")
    assert series is not None
    used = [tick(0, 1.0), *(t for t in ticks if t.ts != at(0))]
    for n, start in enumerate(series.times.tolist()):
        inside = [t for t in used if start <= t.ts.timestamp() < start + 300]  # type: ignore[union-attr]
        assert series.volume[n] == sum(t.size or 0 for t in inside)
        if inside:
            assert (series.close[n], series.quote[n]) == (
                inside[-1].price,
                sum((t.size or 0) * t.price for t in inside),
            )
            assert series.high[n] >= max(t.price for t in inside)


def test_a_candle_is_not_there_before_its_end_is_beyond_the_bound() -> None:
    track = Track(tick(0, 10), 2.0, 0)
    assert not track.add(tick(0, 10))
    assert not track.add(tick(59.9, 12))
    assert not track.add(tick(60, 13))
    assert track.close_by_ticks() == []
    assert not track.add(tick(59.5, 9, 2.0))
    assert track.add(tick(62, 14))
    assert track.close_by_ticks() == [Bar(S0, 10, 12, 9, 12, 4.0, 40.0, 3)]


def test_the_clock_closes_a_candle_that_no_tick_closes() -> None:
    market = MarketState(Bounds())
    market.on_tick(tick(10, 10), 1)
    market.close_due(at(61.9))
    assert not market.closed("BTCUSDT", "1m", S0 + 60)
    assert market.unclosed(at(62))
    market.close_due(at(62))
    assert market.closed("BTCUSDT", "1m", S0 + 60)
    assert not market.unclosed(at(62))


def test_an_empty_minute_is_flat_with_no_volume_and_no_trades() -> None:
    bars = fold([tick(0, 10), tick(185, 11)])
    assert bars[1:3] == [Bar(S0 + 60, 10, 10, 10, 10), Bar(S0 + 120, 10, 10, 10, 10)]


def test_a_silent_symbol_gets_no_flat_candles_by_the_clock_and_a_gap_when_it_speaks_again() -> None:
    market = MarketState(Bounds(max_tick_age=45))
    market.on_tick(tick(10, 10), 1)
    for minute in range(1, 6):
        market.close_due(at(60 * minute + 2))
    assert not market.closed("BTCUSDT", "1m", S0 + 120)
    market.on_tick(tick(305, 12), 2)
    series = market.series("BTCUSDT", "1m")
    assert series is not None
    assert series.close.tolist() == [10]
    market.close_due(at(362))
    assert series.gaps(10) == [(S0 + 60, 4)]


@pytest.mark.parametrize(
    ("name", "again", "applied"),
    [
        ("same source, time, price and size", tick(5, 10), 1),
        ("other size", tick(5, 10, 2.0), 2),
        ("other price", tick(5, 11), 2),
        ("other time", tick(6, 10), 2),
        ("other source", tick(5, 10).model_copy(update={"source": "other"}), 2),
        ("an id makes it another one", tick(5, 10, tick_id="a"), 2),
    ],
)
def test_a_tick_without_an_id_is_a_duplicate_when_all_is_equal(name: str, again: MarketTick, applied: int) -> None:
    track = Track(tick(5, 10), 2.0, 0)
    track.add(tick(5, 10))
    track.add(again)
    assert (track.applied, track.duplicates) == (applied, 2 - applied)


def test_a_tick_with_a_known_id_is_a_duplicate_whatever_it_says() -> None:
    track = Track(tick(5, 10, tick_id="a"), 2.0, 0)
    track.add(tick(5, 10, tick_id="a"))
    track.add(tick(6, 12, tick_id="a"))
    assert (track.applied, track.duplicates) == (1, 1)


def test_duplicates_are_known_across_the_forgetting_of_old_ones() -> None:
    track = Track(tick(0, 10), 10.0, 0)
    for second in range(60):
        track.add(tick(second, 10.0 + second))
        if second >= 9:
            track.add(tick(second - 9, 10.0 + second - 9))
    assert (track.applied, track.duplicates, track.too_old) == (60, 51, 0)


def test_a_tick_beyond_the_bound_is_counted_and_dropped() -> None:
    track = Track(tick(30, 10), 2.0, 0)
    track.add(tick(30, 10))
    track.add(tick(27.9, 99))
    track.add(tick(28, 5))
    assert (track.applied, track.too_old) == (2, 1)
    assert track.tick.price == 10


def test_minutes_that_began_before_all_ticks_were_seen_are_not_candles() -> None:
    market = MarketState(Bounds(), since=None)
    for n, second in enumerate((30, 70, 130, 200)):
        market.on_tick(tick(second, 10), n)
    series = market.series("BTCUSDT", "1m")
    assert series is not None
    assert series.times.tolist() == [S0 + 60, S0 + 120]


def test_ticks_go_on_where_the_candles_of_the_log_end() -> None:
    market = MarketState(Bounds(max_tick_age=200))
    for minute in range(3):
        market.on_candle(candle(minute, 50.0 + minute), Source.FEED)
    market.on_tick(tick(305, 60), 1)
    market.close_due(at(362))
    series = market.series("BTCUSDT", "1m")
    assert series is not None
    assert series.close.tolist() == [50, 51, 52, 52, 52, 60]


@st.composite
def disturbed(draw: st.DrawFn, lateness: int = 60) -> tuple[list[MarketTick], list[MarketTick]]:
    """Ticks in order, and the same ticks late by up to the bound and up to twice more, each copy within the bound.

    The last one begins a quiet end: nothing comes after it.
    """
    seconds = draw(st.lists(st.integers(1, 600), min_size=1, max_size=40, unique=True))
    ticks = [tick(0, draw(PRICES)), *(tick(s, draw(PRICES), draw(SIZES)) for s in sorted(seconds))]
    named = [t.model_copy(update={"tick_id": f"t{n}"}) if draw(st.booleans()) else t for n, t in enumerate(ticks)]
    copies = [(n, draw(st.integers(0, lateness))) for n in range(1, len(named)) for _ in range(draw(st.integers(1, 3)))]
    arrivals = sorted(copies, key=lambda c: (named[c[0]].ts.timestamp() + c[1], c[1]))  # type: ignore[union-attr]
    return named, [named[0], *(named[n] for n, _ in arrivals)]


@given(disturbed())
def test_disorder_and_repetition_within_the_bound_change_nothing(
    orders: tuple[list[MarketTick], list[MarketTick]],
) -> None:
    ticks, arriving = orders
    track = Track(ticks[0], 60.0, 0)
    bars: list[Bar] = []
    for t in arriving:
        if track.add(t):
            closed = track.close_by_ticks()
            assert all(bar.open_time + 60 + 60 <= track.newest for bar in closed), "closed before the bound was over"
            bars += closed
    bars += track.close_by_clock(int(track.newest) // 60 * 60 + 60, 1e9)
    assert bars == fold(ticks, 60.0)
    assert (track.applied, track.too_old) == (len(ticks), 0)
    assert track.duplicates == len(arriving) - len(ticks)
    assert sum(bar.volume for bar in bars) == sum(t.size or 0 for t in ticks)


@given(disturbed())
def test_flat_candles_are_exactly_the_silent_minutes(orders: tuple[list[MarketTick], list[MarketTick]]) -> None:
    ticks, arriving = orders
    heard = {int(t.ts.timestamp()) // 60 * 60 for t in ticks}  # type: ignore[union-attr]
    bars = fold(arriving, 60.0)
    assert {bar.open_time for bar in bars if bar.trades} == heard
    for before, bar in pairwise(bars):
        assert bar.open_time == before.open_time + 60
        if bar.open_time not in heard:
            assert bar == Bar(bar.open_time, before.close, before.close, before.close, before.close)


def test_a_tick_that_comes_again_at_the_very_end_of_the_bound_is_known() -> None:
    track = Track(tick(0, 10), 60.0, 0)
    for second in (0, 90, 150, 210, 150):
        track.add(tick(second, 10))
    assert (track.applied, track.duplicates) == (4, 1)
