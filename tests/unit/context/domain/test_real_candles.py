"""Fourteen days of real candles, as ticks in disorder and twice, give exactly those candles back.

By default two symbols, and two days of them; all five and all days in the long form. The longer candles
are compared with what pandas' `resample(…, closed="left", label="left")` means: first, max, min, last and sum of the
minutes from each boundary since the epoch on.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from random import Random

import numpy as np
import pytest
import talib
from numpy.typing import NDArray

from libs.schemas.base import TIMEFRAME_SECONDS, Timeframe
from libs.schemas.market import MarketTick
from services.context.domain import figures
from services.context.domain.indicators import LAST, MOST, indicators
from services.context.domain.market import Bounds, MarketState
from services.context.domain.series import Bar
from tests.fakes.context_values import data_dir, real_candles
from tests.forms import sized

Floats = NDArray[np.float64]
DATA = data_dir()
SYMBOLS = ("BTCUSDT", "XRPUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT")[: sized(2, 5)]
DAYS = sized(2, 14)
LOOK_EVERY = 200  # minutes; fewer than any series keeps
TIMEFRAMES: tuple[Timeframe, ...] = tuple(TIMEFRAME_SECONDS)  # type: ignore[arg-type]
pytestmark = pytest.mark.skipif(DATA is None, reason="the real candles are not there: set PERPETUA_DATA_DIR")


def played(symbol: str, bar: Bar) -> list[MarketTick]:
    """Open, one extreme, the other one and close, a quarter of a minute apart; every other one without an id."""
    rising = bar.close >= bar.open
    prices = (bar.open, bar.low if rising else bar.high, bar.high if rising else bar.low, bar.close)
    part = bar.volume / 4
    return [
        MarketTick(
            symbol=symbol,
            price=price,
            ts=datetime.fromtimestamp(bar.open_time + 15 * n, UTC),
            size=size,
            tick_id=f"{symbol}:{bar.open_time}:{n}" if n % 2 else None,
            source="real",
        )
        for n, (price, size) in enumerate(zip(prices, (part, part, part, bar.volume - 3 * part), strict=True))
    ]


def delivered(symbol: str, bars: list[Bar]) -> Iterator[MarketTick]:
    """Each minute's ticks in any order, some of them twice, now and then not before the next minute has begun."""
    random = Random(symbol)
    held: list[MarketTick] = []
    for bar in bars:
        ticks = played(symbol, bar)
        ticks += random.choices(ticks, k=2)
        random.shuffle(ticks)
        yield from ticks[:3]
        yield from held
        yield from ticks[3:]
        held = [random.choice(ticks)]


@cache
def wanted(symbol: str) -> tuple[Bar, ...]:
    assert DATA is not None
    return tuple(real_candles(DATA, symbol, DAYS * 1_440))


@cache
def built(symbol: str) -> tuple[MarketState, dict[Timeframe, list[Bar]], int]:
    """The market after all ticks, every candle in the order in which it was made, and how many ticks there were."""
    market = MarketState(Bounds(max_out_of_order=60))
    market.use(TIMEFRAMES)
    made: dict[Timeframe, list[Bar]] = {timeframe: [] for timeframe in TIMEFRAMES}
    n = 0

    def look(now: float) -> None:
        for one in market.take_built():
            series = market.series(symbol, one.timeframe)
            found = series.at(one.open_time) if series else None
            assert found is not None
            assert one.open_time + TIMEFRAME_SECONDS[one.timeframe] <= now, "emitted before it was closed"
            made[one.timeframe].append(found[0])

    bars = list(wanted(symbol))
    for n, tick in enumerate(delivered(symbol, bars), 1):
        market.on_tick(tick, n)
        if not n % (6 * LOOK_EVERY):
            track = market.track(symbol)
            assert track is not None
            look(track.newest)
    end = bars[-1].open_time + 60
    market.close_due(datetime.fromtimestamp(end + 2, UTC))
    look(end)
    return market, made, n


def resampled(bars: tuple[Bar, ...], step: int) -> list[tuple[int, float, float, float, float, float, int]]:
    groups: dict[int, list[Bar]] = {}
    for bar in bars:
        groups.setdefault(bar.open_time - bar.open_time % step, []).append(bar)
    return [
        (
            start,
            part[0].open,
            max(b.high for b in part),
            min(b.low for b in part),
            part[-1].close,
            sum(b.volume for b in part),
            4 * len(part),
        )
        for start, part in groups.items()
        if len(part) * 60 == step
    ]


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_the_candles_are_those_that_were_played(symbol: str, timeframe: Timeframe) -> None:
    _, made, _ = built(symbol)
    expected = resampled(wanted(symbol), TIMEFRAME_SECONDS[timeframe])
    found = made[timeframe]
    assert len(expected) == DAYS * 86_400 // TIMEFRAME_SECONDS[timeframe]
    assert [(b.open_time, b.open, b.high, b.low, b.close, b.trades) for b in found] == [
        (start, o, h, low, c, trades) for start, o, h, low, c, _, trades in expected
    ]
    volumes = np.array([b.volume for b in found])
    np.testing.assert_allclose(volumes, [row[5] for row in expected], rtol=1e-9, atol=0)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_every_tick_was_counted_once(symbol: str) -> None:
    market, _, n = built(symbol)
    track = market.track(symbol)
    assert track is not None
    assert track.applied == 4 * len(wanted(symbol))
    assert track.duplicates + track.too_old == n - track.applied  # what comes again beyond the bound is too old
    assert track.duplicates > 2 * track.too_old > 0
    assert track.out_of_order > track.applied / 4


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_indicators_are_talibs_on_those_candles(symbol: str, timeframe: Timeframe) -> None:
    market, _, _ = built(symbol)
    rows = resampled(wanted(symbol), TIMEFRAME_SECONDS[timeframe])[-MOST:]
    high, low, close, volume = (np.array([row[i] for row in rows]) for i in (2, 3, 4, 5))
    macd, signal, hist = talib.MACD(close, fastperiod=12, slowperiod=26, signalperiod=9)
    upper, middle, lower = talib.BBANDS(close, timeperiod=20, nbdevup=2, nbdevdn=2)
    expected: dict[str, Floats] = {
        "ema_20": talib.EMA(close, timeperiod=20),
        "ema_50": talib.EMA(close, timeperiod=50),
        "macd": macd,
        "macd_signal": signal,
        "macd_hist": hist,
        "rsi_14": talib.RSI(close, timeperiod=14),
        "bb_upper": upper,
        "bb_middle": middle,
        "bb_lower": lower,
        "atr_14": talib.ATR(high, low, close, timeperiod=14),
        "volume_ratio": volume / talib.SMA(volume, timeperiod=20),
    }
    found = indicators(timeframe, market.series(symbol, timeframe))
    assert found.candles_used == len(rows)
    for name, column in expected.items():
        values = column[-LAST:][~np.isnan(column[-LAST:])]
        given = getattr(found, name)
        assert (given is None) == (len(values) == 0)
        np.testing.assert_allclose(given or (), values, rtol=1e-9, atol=1e-9 * float(close[-1]) * 1e-6)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_figures_of_a_day_are_those_of_its_minutes(symbol: str) -> None:
    market, _, _ = built(symbol)
    day = wanted(symbol)[-1_440:]
    series = [s for timeframe in TIMEFRAMES if (s := market.series(symbol, timeframe)) is not None]
    assert figures.close_24h_ago(series) == wanted(symbol)[-1_441].close
    quote = sum(tick.price * (tick.size or 0) for bar in day for tick in played(symbol, bar))
    assert figures.volume_24h(series) == pytest.approx(quote, rel=1e-9)
    closes = [bar.close for bar in wanted(symbol)[-21:]]
    returns = [b / a - 1 for a, b in pairwise(closes)]
    mean = sum(returns) / 20
    expected = (sum((r - mean) ** 2 for r in returns) / 19) ** 0.5 * 100
    assert figures.volatility(series[0]) == pytest.approx(expected, rel=1e-9)
