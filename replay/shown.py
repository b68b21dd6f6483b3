"""The market of a run as its report shows it: some hundreds of candles of each symbol."""

from collections.abc import Iterator
from datetime import timedelta
from math import isnan
from typing import Any

from services.feed.domain.bars import MINUTE, Bars
from services.feed.domain.recorded import RecordedMarket

MOST = 400
SIZES = (5, 15, 60, 240, 1_440, 10_080)  # minutes


def candles(market: RecordedMarket) -> Iterator[dict[str, Any]]:
    """One row a symbol: `minutes` of a candle, `first` opening, and the columns; null where nothing is known."""
    minutes = size_for(market.ends - market.starts)
    for symbol in market.symbols:
        bars = market.columns(symbol, market.starts, market.ends)
        folded = [_fold(bars, at, at + minutes) for at in range(0, len(bars.open), minutes)]
        columns = zip(("open", "high", "low", "close"), zip(*folded, strict=True), strict=True)
        yield {"symbol": symbol, "minutes": minutes, "first": bars.first.isoformat(), **dict(columns)}


def size_for(span: timedelta) -> int:
    return next((size for size in SIZES if span / (size * MINUTE) <= MOST), SIZES[-1])


def _fold(bars: Bars, start: int, end: int) -> tuple[float | None, ...]:
    known = [n for n in range(start, min(end, len(bars.open))) if not isnan(bars.open[n])]
    if not known:
        return (None,) * 4
    return (
        bars.open[known[0]],
        max(bars.high[n] for n in known),
        min(bars.low[n] for n in known),
        bars.close[known[-1]],
    )
