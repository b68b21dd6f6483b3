""" "Nothing traded" and "nothing heard" are two things, and what comes late repairs what was built without it."""

from collections.abc import Callable
from functools import cache
from itertools import compress
from random import Random

import pytest

from libs.schemas.market import MarketTick
from libs.schemas.reasons import ContextErrorCode
from services.context.domain.assets import Studies, read
from services.context.domain.market import Bounds, MarketState
from services.context.domain.minutes import MINUTE
from services.context.domain.series import Bar, Source
from tests.fakes.context_values import S0, at, candle, tick

Ticks = list[MarketTick]
Arrival = Callable[[Ticks], Ticks]


def stretch(begin: float, end: float, every: float = 15, symbol: str = "BTCUSDT", source: str = "aster") -> Ticks:
    """A price that moves a little, from `begin` to before `end` (seconds)."""
    count = int((end - begin) / every)
    return [
        tick(begin + n * every, 100 + (n * 7 % 11) / 8, symbol=symbol, source=source, tick_id=f"{symbol}:{begin}:{n}")
        for n in range(count)
    ]


def heard(*stretches: Ticks, bounds: Bounds | None = None) -> MarketState:
    """A market after these ticks, in this order; the clock looks after each of them."""
    market = MarketState(bounds or Bounds())
    market.use(["5m"])
    newest = 0.0
    for n, told in enumerate(each for ticks in stretches for each in ticks):
        assert told.ts is not None
        market.on_tick(told, n)
        newest = max(newest, told.ts.timestamp() - S0)
        market.close_due(at(newest))
    return market


def bars(market: MarketState, timeframe: str = "1m", symbol: str = "BTCUSDT") -> list[Bar]:
    series = market.series(symbol, timeframe)  # type: ignore[arg-type]
    found = [] if series is None else [series.at(int(opened)) for opened in series.times]
    return [bar for bar, _ in (each for each in found if each is not None)]


def gaps(market: MarketState, timeframe: str = "1m") -> list[tuple[int, int]]:
    """Minutes after the beginning, and how many candles are missing."""
    series = market.series("BTCUSDT", timeframe)  # type: ignore[arg-type]
    assert series is not None
    return [((start - S0) // MINUTE, count) for start, count in series.gaps(1_500)]


@pytest.mark.parametrize(
    ("before", "after", "missing"),
    [
        pytest.param(120, 137, [(120, 17)], id="M6: after two hours"),
        pytest.param(136, 160, [(136, 24)], id="BitMEX, 13 March 2020: off from 02:16 to 02:40 UTC"),
        pytest.param(96, 240, [(96, 144)], id="Binance, 24 March 2023: trading stood still from 11:36 to 14:00 UTC"),
        pytest.param(10, 12, [(10, 2)], id="two minutes"),
        pytest.param(10, 11, [(10, 1)], id="one minute"),
        pytest.param(10, 10.5, [], id="half a minute is within the bound"),
        pytest.param(9.5, 12.25, [(10, 2)], id="from the middle of a minute into another one"),
    ],
)
def test_an_outage_is_a_gap_that_is_named(before: float, after: float, missing: list[tuple[int, int]]) -> None:
    market = heard(stretch(0, before * 60), stretch(after * 60, after * 60 + 180))
    assert gaps(market) == missing
    assert all(bar.trades for bar in bars(market))
    now = at(after * 60 + 170)
    found = read(Studies(market), market, ("BTCUSDT",), (), ("1m",), now)
    named = [error.message for error in found.errors if error.code is ContextErrorCode.GAP]
    assert len(named) == len(missing)
    for (start, count), message in zip(missing, named, strict=True):
        assert f"{count} from {at(start * 60).isoformat()} to {at((start + count) * 60).isoformat()}" in message


@pytest.mark.parametrize(
    ("meanwhile", "missing"),
    [
        pytest.param([], [(10, 5)], id="nobody was heard"),
        pytest.param(stretch(600, 900, symbol="ETHUSDT"), [], id="its source told another symbol"),
        pytest.param(stretch(600, 900, symbol="ETHUSDT", source="b"), [(10, 5)], id="another source was heard"),
        pytest.param(stretch(600, 720, symbol="ETHUSDT"), [(12, 3)], id="its source told another symbol at first"),
        pytest.param(
            [tick(600 + 30 * n, 101, None, price_at=at(590), source="aster") for n in range(10)],
            [],
            id="its last price was told again",
        ),
    ],
)
def test_a_silent_minute_of_a_healthy_stream_is_flat(meanwhile: Ticks, missing: list[tuple[int, int]]) -> None:
    first, later = stretch(0, 600), stretch(900, 1_000)
    eth = stretch(0, 600, symbol="ETHUSDT", source=meanwhile[0].source) if meanwhile else []
    market = heard(eth, first, meanwhile, later)
    assert gaps(market) == missing
    flat = [bar for bar in bars(market) if 600 <= bar.open_time - S0 < 900]
    assert len(flat) == 5 - sum(count for _, count in missing)
    assert all((bar.volume, bar.trades, bar.high) == (0, 0, bar.low) for bar in flat)


@cache
def undisturbed() -> MarketState:
    """Forty minutes of a tick every five seconds, in order; looked at and not told anything more."""
    return heard(stretch(0, 2_400, every=5))


def shuffled(ticks: Ticks) -> Ticks:
    return Random(7).sample(ticks, len(ticks))


@pytest.mark.parametrize(
    "arrival",
    [
        pytest.param(lambda ticks: ticks, id="M6: in order"),
        pytest.param(lambda ticks: ticks[::-1], id="the newest first"),
        pytest.param(shuffled, id="in any order"),
        pytest.param(lambda ticks: [*ticks, *ticks], id="all of it twice"),
        pytest.param(lambda ticks: [each for told in ticks for each in (told, told)], id="each twice"),
    ],
)
@pytest.mark.parametrize(("begin", "end"), [(600, 1_560), (610, 1_485), (655, 1_210), (600, 660)])
def test_what_comes_within_the_day_repairs_candles_and_what_is_built_on_them(
    begin: float, end: float, arrival: Arrival
) -> None:
    every = stretch(0, 2_400, every=5)
    within = [begin <= told.ts.timestamp() - S0 < end for told in every]  # type: ignore[union-attr]
    inside, rest = list(compress(every, within)), [told for told, is_in in zip(every, within, strict=True) if not is_in]
    whole, market = undisturbed(), heard(rest, arrival(inside))
    for timeframe in ("1m", "5m"):
        assert bars(market, timeframe) == bars(whole, timeframe)
    assert market.counts["repaired"] == len(inside)
    revised = {(built.timeframe, built.open_time) for built in market.take_built() if built.revised}
    assert revised >= {("1m", bar.open_time) for bar in bars(whole) if begin <= bar.open_time - S0 < end}


def test_a_stream_that_stalls_for_half_a_minute_and_delivers_all_at_once_loses_no_trade() -> None:
    market = heard(stretch(0, 90, every=1))
    market.close_due(at(125))
    for n, told in enumerate(stretch(90, 125, every=1)):
        market.on_tick(told, n)
    market.close_due(at(126))
    assert [bar.trades for bar in bars(market)] == [60, 60]


def test_what_may_be_in_a_candle_already_is_not_counted_again() -> None:
    every = stretch(0, 600)
    market = heard(every, every)
    assert market.counts["repaired"] == 0
    assert [bar.trades for bar in bars(market)] == [4] * 9


def test_the_feeds_candle_of_a_minute_in_a_gap_is_not_repaired() -> None:
    market = heard(stretch(0, 600), stretch(900, 1_000))
    market.on_candle(candle(11, 50), Source.FEED)
    for n, told in enumerate(stretch(660, 720)):
        market.on_tick(told, n)
    market.close_due(at(1_000))
    assert market.counts["repaired"] == 0
    assert gaps(market) == [(10, 1), (12, 3)]
