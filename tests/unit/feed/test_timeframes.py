"""Aggregation into timeframes."""

from datetime import timedelta

import pytest

from libs.schemas.base import TIMEFRAME_SECONDS
from services.feed.domain.timeframes import TIMEFRAMES, candle, floor
from tests.fakes.feed_markets import MIDNIGHT, bars


def test_a_candle_sums_up_its_minutes() -> None:
    made = candle(bars("AAA", [10.0, 30.0, 20.0]).cut(MIDNIGHT, MIDNIGHT + timedelta(minutes=3)), "3m")
    assert made is not None
    assert (made.open, made.close, made.high, made.low) == (10.0, 20.0, 30.0 * 1.001, 10.0 * 0.999)
    assert (made.volume, made.trades) == (1 + 2 + 3, 12)
    assert (made.open_time, made.close_time) == (MIDNIGHT, MIDNIGHT + timedelta(minutes=3))


def test_quote_volume_is_price_times_size_of_the_ticks() -> None:
    made = candle(bars("AAA", [10.0]).cut(MIDNIGHT, MIDNIGHT + timedelta(minutes=1)), "1m")
    assert made is not None
    assert made.quote_volume == pytest.approx((10.0 + 10.0 * 0.999 + 10.0 * 1.001 + 10.0) / 4)


def test_a_candle_with_a_missing_minute_is_not_made() -> None:
    assert candle(bars("AAA", [10.0, 30.0]).cut(MIDNIGHT, MIDNIGHT + timedelta(minutes=3)), "3m") is None


@pytest.mark.parametrize("timeframe", TIMEFRAME_SECONDS)
def test_boundaries_are_aligned_to_the_epoch(timeframe: str) -> None:
    length = TIMEFRAMES[timeframe]
    for probe in (MIDNIGHT, MIDNIGHT + timedelta(hours=7, minutes=13, seconds=5, microseconds=9)):
        at = floor(probe, length)
        assert at <= probe < at + length
        assert at.timestamp() % length.total_seconds() == 0
