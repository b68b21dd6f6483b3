from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.market import MarketTick
from services.context.domain.candles import Track
from services.context.domain.market import Bounds, Market
from services.context.domain.series import Bar, Series, Source
from tests.fakes.context_values import S0, at, candle, data_dir, real_candles, tick

DATA = data_dir()
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
    market = Market(Bounds())
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
    market = Market(Bounds())
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


def test_a_silent_symbol_gets_no_flat_candles_by_the_clock_and_all_of_them_when_it_speaks_again() -> None:
    market = Market(Bounds(max_tick_age=45))
    market.on_tick(tick(10, 10), 1)
    for minute in range(1, 6):
        market.close_due(at(60 * minute + 2))
    assert not market.closed("BTCUSDT", "1m", S0 + 120)
    market.on_tick(tick(305, 12), 2)
    series = market.series("BTCUSDT", "1m")
    assert series is not None
    assert series.close.tolist() == [10, 10, 10, 10, 10]


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
    market = Market(Bounds(), since=None)
    for n, second in enumerate((30, 70, 130, 200)):
        market.on_tick(tick(second, 10), n)
    series = market.series("BTCUSDT", "1m")
    assert series is not None
    assert series.times.tolist() == [S0 + 60, S0 + 120]


def test_ticks_go_on_where_the_candles_of_the_log_end() -> None:
    market = Market(Bounds())
    for minute in range(3):
        market.on_candle(candle(minute, 50.0 + minute), Source.FEED)
    market.on_tick(tick(305, 60), 1)
    market.close_due(at(362))
    series = market.series("BTCUSDT", "1m")
    assert series is not None
    assert series.close.tolist() == [50, 51, 52, 52, 52, 60]


@pytest.mark.skipif(DATA is None, reason="the real candles are not there: set PERPETUA_DATA_DIR")
@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT"])
def test_four_ticks_of_each_real_candle_give_exactly_that_candle(symbol: str) -> None:
    assert DATA is not None
    wanted = list(real_candles(DATA, symbol, 720))
    market = Market(Bounds())
    market.use(["5m", "15m", "1h"])
    n = 0
    for b in wanted:
        for offset, price in zip((0, 15, 30, 45), (b.open, b.low, b.high, b.close), strict=True):
            n += 1
            seconds = b.open_time + offset - S0
            market.on_tick(tick(seconds, price, b.volume / 4, symbol, tick_id=f"{symbol}:{n}"), n)
    market.close_due(at(wanted[-1].open_time + 62 - S0))
    series = market.series(symbol, "1m")
    assert series is not None and len(series) == len(wanted)
    assert series.times.tolist() == [b.open_time for b in wanted]
    assert series.high.tolist() == [b.high for b in wanted]
    assert series.low.tolist() == [b.low for b in wanted]
    assert series.close.tolist() == [b.close for b in wanted]
    assert series.volume.tolist() == [b.volume / 4 * 4 for b in wanted]
    assert [found[0].open for b in wanted if (found := series.at(b.open_time))] == [b.open for b in wanted]
    for timeframe, k in (("5m", 5), ("15m", 15), ("1h", 60)):
        longer = market.series(symbol, timeframe)  # type: ignore[arg-type]
        _equal_groups(longer, wanted, k)


def _equal_groups(series: Series | None, wanted: list[Bar], k: int) -> None:
    assert series is not None and len(series) == len(wanted) // k
    groups = [wanted[i : i + k] for i in range(0, len(wanted), k)]
    assert series.high.tolist() == [max(b.high for b in g) for g in groups]
    assert series.low.tolist() == [min(b.low for b in g) for g in groups]
    assert series.close.tolist() == [g[-1].close for g in groups]
    assert series.volume.tolist() == pytest.approx([sum(b.volume for b in g) for g in groups])
