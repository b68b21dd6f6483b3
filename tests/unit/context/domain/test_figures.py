import statistics

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from libs.schemas.context import TechnicalIndicatorsSet
from services.context.domain import figures
from services.context.domain.series import Bar, Series, Source
from tests.fakes.context_values import S0, data_dir, real_candles

DATA = data_dir()


def series_of(closes: list[float], step: int = 60, volume: float = 1.0, quote: float = 0.0) -> Series:
    series = Series(step, 1_500 if step == 60 else 300)
    for i, close in enumerate(closes):
        series.put(Bar(S0 + i * step, close, close, close, close, volume, quote), Source.FEED)
    return series


def test_change_is_against_the_close_24_hours_before_the_newest_close() -> None:
    minutes = series_of([100.0 + i for i in range(1_441)])
    before = figures.close_24h_ago([minutes])
    assert before == 100.0
    assert figures.change_percent(150.0, before) == pytest.approx(50.0)


def test_the_finest_series_that_covers_the_day_is_used() -> None:
    minutes, quarters = series_of([100.0] * 200), series_of([50.0] * 97, 900)
    assert figures.close_24h_ago([minutes, quarters]) == 50.0
    assert figures.volume_24h([minutes, quarters]) == 96 * 50.0


def test_without_a_day_of_candles_nothing_is_made_up() -> None:
    minutes, quarters = series_of([100.0] * 1_439), series_of([50.0] * 95, 900)
    assert figures.close_24h_ago([minutes, quarters]) is None
    assert figures.volume_24h([minutes, quarters]) is None
    assert figures.close_24h_ago([]) is None


def test_a_gap_in_the_day_leaves_its_volume_unknown() -> None:
    minutes = series_of([100.0] * 1_000)
    for i in range(1_001, 1_500):
        minutes.put(Bar(S0 + i * 60, 1, 1, 1, 1, 1.0), Source.FEED)
    assert figures.volume_24h([minutes]) is None


def test_volume_in_quote_is_taken_where_it_is_known() -> None:
    assert figures.volume_24h([series_of([100.0] * 1_440, quote=7.0)]) == 1_440 * 7.0


@pytest.mark.skipif(DATA is None, reason="the real candles are not there: set PERPETUA_DATA_DIR")
def test_real_figures_equal_an_independent_calculation() -> None:
    assert DATA is not None
    bars = list(real_candles(DATA, "ETHUSDT", 1_900))
    minutes = Series(60, 1_500)
    for b in bars:
        minutes.put(b, Source.FEED)
    end = bars[-1].open_time + 60
    before = next(b.close for b in bars if b.open_time + 60 == end - 86_400)
    volume = sum(b.volume * b.close for b in bars if b.open_time >= end - 86_400)
    returns = [bars[i].close / bars[i - 1].close - 1 for i in range(len(bars) - 20, len(bars))]
    assert figures.close_24h_ago([minutes]) == before
    assert figures.volume_24h([minutes]) == pytest.approx(volume)
    assert figures.volatility(minutes) == pytest.approx(statistics.stdev(returns) * 100)


def test_volatility_needs_two_returns() -> None:
    assert figures.volatility(series_of([100.0, 101.0])) == 0.0
    assert figures.volatility(series_of([100.0, 101.0, 100.0])) > 0


@pytest.mark.parametrize(
    ("fast", "slow", "trend"),
    [
        (101.0, 100.0, "up"),
        (99.0, 100.0, "down"),
        (100.04, 100.0, "flat"),
        (None, 100.0, "flat"),
        (101.0, None, "flat"),
    ],
)
def test_a_trend_is_a_distance_of_the_averages(fast: float | None, slow: float | None, trend: str) -> None:
    found = TechnicalIndicatorsSet(
        timeframe="1m",
        ema_20=None if fast is None else (fast,),
        ema_50=None if slow is None else (slow,),
        candles_used=60,
    )
    assert figures.trend(found) == trend


@pytest.mark.parametrize(
    ("changes", "breadth", "sentiment"),
    [
        ([3.0, 4.0, 2.5], 1.0, "bullish"),
        ([-3.0, -4.0], 0.0, "bearish"),
        ([9.0, -1.0], 0.5, "neutral"),
        ([3.0, 0.0, 4.0], 1.0, "bullish"),
        ([0.0, 0.0], None, "neutral"),
        ([1.0, 1.0], 1.0, "neutral"),
        ([], None, None),
    ],
)
def test_sentiment_is_mean_change_and_breadth(
    changes: list[float], breadth: float | None, sentiment: str | None
) -> None:
    assert figures.breadth(changes) == breadth
    assert figures.sentiment(changes) == sentiment


@given(st.lists(st.floats(-50, 50), max_size=12))
def test_sentiment_and_breadth_equal_an_independent_calculation(changes: list[float]) -> None:
    moved = np.sign(changes)[np.sign(changes) != 0] if changes else np.empty(0)
    breadth = float(np.mean(moved > 0)) if moved.size else None
    assert figures.breadth(changes) == (None if breadth is None else pytest.approx(breadth))
    if not changes:
        assert figures.sentiment(changes) is None
        return
    mean = float(np.mean(changes))
    assume(abs(abs(mean) - 2) > 1e-9)
    bull = mean > 2 and breadth is not None and breadth > 0.5
    bear = mean < -2 and breadth is not None and breadth < 0.5
    assert figures.sentiment(changes) == ("bullish" if bull else "bearish" if bear else "neutral")
