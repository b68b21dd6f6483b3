"""One-minute bars aggregated into the timeframes of the contract."""

from datetime import datetime, timedelta
from math import isnan

from libs.schemas.base import TIMEFRAME_SECONDS
from libs.schemas.market import Candle
from services.feed.domain.bars import MINUTE, TICKS_PER_BAR, Bars

TIMEFRAMES: dict[str, timedelta] = {name: timedelta(seconds=s) for name, s in TIMEFRAME_SECONDS.items()}


def floor(at: datetime, length: timedelta) -> datetime:
    """The latest boundary of candles of this length at or before `at`; they are aligned to the epoch."""
    seconds = int(length.total_seconds())
    return at - timedelta(seconds=int(at.timestamp()) % seconds, microseconds=at.microsecond)


def candle(bars: Bars, timeframe: str) -> Candle | None:
    """The candle that the bars of one whole interval make, None when some are missing.

    Files of candles do not say how many trades there were: `trades` and `quote_volume` are those of the ticks that the
    bars are played as, so that a candle built from the ticks is the same. A start makes 16 000 candles of 600 000
    minutes: hence over columns.
    """
    length = TIMEFRAMES[timeframe]
    if len(bars.open) != length // MINUTE or any(map(isnan, bars.open)):
        return None
    silent = sum(volume == 0 and bars.still(n) for n, volume in enumerate(bars.volume)) if 0 in bars.volume else 0
    return Candle(
        symbol=bars.symbol,
        timeframe=timeframe,
        open_time=bars.first,
        close_time=bars.first + length,
        open=bars.open[0],
        high=max(bars.high),
        low=min(bars.low),
        close=bars.close[-1],
        volume=sum(bars.volume),
        quote_volume=_quote_volume(bars),
        trades=TICKS_PER_BAR * (len(bars.open) - silent),
    )


def _quote_volume(bars: Bars) -> float:
    """Of the ticks that the bars are played as (`path`, `sizes`), added one by one from left to right as whoever hears
    them adds."""
    total = 0.0
    for opened, high, low, close, volume in bars.rows():
        second, third = (low, high) if close >= opened else (high, low)
        part = volume / TICKS_PER_BAR
        total = total + opened * part + second * part + third * part + close * (volume - (part + part + part))
    return total
