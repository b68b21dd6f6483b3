"""One-minute bars aggregated into the timeframes of the contract."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from libs.schemas.base import TIMEFRAME_SECONDS
from libs.schemas.market import Candle
from services.feed.domain.bars import MINUTE, TICKS_PER_BAR, MinuteBar, path, sizes

TIMEFRAMES: dict[str, timedelta] = {name: timedelta(seconds=s) for name, s in TIMEFRAME_SECONDS.items()}


def floor(at: datetime, length: timedelta) -> datetime:
    """The latest boundary of candles of this length at or before `at`; they are aligned to the epoch."""
    seconds = int(length.total_seconds())
    return at - timedelta(seconds=int(at.timestamp()) % seconds, microseconds=at.microsecond)


def candle(bars: Sequence[MinuteBar], timeframe: str) -> Candle | None:
    """The candle that the bars of one whole interval make, None when some are missing.

    Files of candles do not say how many trades there were: `trades` and `quote_volume` are those of the ticks that the
    bars are played as, so that a candle built from the ticks is the same.
    """
    length = TIMEFRAMES[timeframe]
    if len(bars) != length // MINUTE:
        return None
    heard = [bar for bar in bars if not bar.silent]
    return Candle(
        symbol=bars[0].symbol,
        timeframe=timeframe,
        open_time=bars[0].open_time,
        close_time=bars[0].open_time + length,
        open=bars[0].open,
        high=max(bar.high for bar in bars),
        low=min(bar.low for bar in bars),
        close=bars[-1].close,
        volume=sum(bar.volume for bar in bars),
        quote_volume=_quote_volume(heard),
        trades=TICKS_PER_BAR * len(heard),
    )


def _quote_volume(bars: Iterable[MinuteBar]) -> float:
    """Of the ticks that the bars are played as, added one by one from left to right as whoever hears them adds."""
    total = 0.0
    for bar in bars:
        (first, second, third, fourth), (part, _, _, rest) = path(bar), sizes(bar.volume)
        total = total + first * part + second * part + third * part + fourth * rest
    return total
