import numpy as np
import pytest
import talib

from services.context.domain.indicators import WARM_UP, indicators, missing
from services.context.domain.series import Bar, Series, Source
from tests.fakes.context_values import S0


def walk(n: int, step: int = 60, seed: int = 1, volume: float = 5.0) -> Series:
    random = np.random.default_rng(seed)
    series = Series(step, 1_500)
    price = 100.0
    for i in range(n):
        close = price * (1 + random.normal(0, 0.004))
        high, low = max(price, close) * 1.001, min(price, close) * 0.999
        series.put(Bar(S0 + i * step, price, high, low, close, volume * random.random(), 0.0, 4), Source.FEED)
        price = close
    return series


@pytest.mark.parametrize("n", [60, 250, 400])
def test_values_are_those_of_talib_over_the_last_250_closed_candles(n: int) -> None:
    series = walk(n)
    found = indicators("1m", series)
    high, low, close, volume = (c[-250:].copy() for c in (series.high, series.low, series.close, series.volume))
    macd, signal, hist = talib.MACD(close, fastperiod=12, slowperiod=26, signalperiod=9)
    upper, middle, lower = talib.BBANDS(close, timeperiod=20, nbdevup=2, nbdevdn=2)
    wanted = {
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
        "volume_ratio": volume / np.convolve(volume, np.ones(20) / 20)[: len(volume)],
    }
    assert found.candles_used == min(n, 250)
    for name, column in wanted.items():
        assert getattr(found, name) == pytest.approx(tuple(column[-10:]), rel=1e-9), name


def test_the_bands_use_the_population_deviation() -> None:
    series = walk(40)
    found = indicators("1m", series)
    assert found.bb_upper is not None and found.bb_middle is not None
    assert found.bb_upper[-1] - found.bb_middle[-1] == pytest.approx(2 * np.std(series.close[-20:]), rel=1e-6)


@pytest.mark.parametrize("name", WARM_UP)
def test_an_indicator_is_there_from_its_warm_up_on(name: str) -> None:
    needed = WARM_UP[name]
    assert getattr(indicators("1m", walk(needed - 1)), name) is None
    assert len(getattr(indicators("1m", walk(needed)), name)) == 1
    assert len(getattr(indicators("1m", walk(needed + 9)), name)) == 10


def test_what_is_missing_is_named() -> None:
    assert missing(indicators("1m", walk(49))) == ("ema_50",)
    assert missing(indicators("1m", None)) == tuple(WARM_UP)
    assert missing(indicators("1m", walk(50))) == ()


def test_only_candles_after_a_gap_are_used() -> None:
    series = Series(60, 1_500)
    whole = walk(200)
    for i, t in enumerate(whole.times.tolist()):
        if i != 120 and (found := whole.at(t)):
            series.put(found[0], Source.FEED)
    assert indicators("1m", series).candles_used == 79


def test_no_volume_at_all_is_a_ratio_of_zero_and_not_of_nothing() -> None:
    assert indicators("1m", walk(60, volume=0.0)).volume_ratio == (0.0,) * 10


def test_a_price_that_does_not_move_gives_numbers() -> None:
    series = Series(60, 1_500)
    for i in range(100):
        series.put(Bar(S0 + i * 60, 5.0, 5.0, 5.0, 5.0), Source.FEED)
    found = indicators("1m", series)
    assert missing(found) == ()
    assert found.bb_upper == found.bb_lower == (5.0,) * 10
    assert found.atr_14 == (0.0,) * 10
