"""Candles that an exchange tells: which of its rows are closed, and which candles are missing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from libs.schemas.market import Candle
from services.feed.domain.rows import moment, number
from services.feed.domain.timeframes import TIMEFRAMES, floor

PAGE = 500
HISTORY_1M = 1_500
HISTORY = 300
TRIES = 8
CLOSE_DELAY = timedelta(seconds=1)  # exchanges need a moment to close a candle


def closed_candles(symbol: str, timeframe: str, rows: Sequence[Sequence[Any]], now: datetime) -> list[Candle]:
    """Rows of [open time ms, open, high, low, close, volume]; the last one is usually still forming and no candle."""
    length = TIMEFRAMES[timeframe]
    made = []
    for row in rows:
        opened, values = moment(row[0]), [number(value) for value in row[1:6]]
        if opened is None or opened + length > now or floor(opened, length) != opened:
            continue
        o, h, low, c, v = values
        if o and h and low and c and v is not None:
            made.append(
                Candle(
                    symbol=symbol,
                    timeframe=timeframe,
                    open_time=opened,
                    close_time=opened + length,
                    open=o,
                    high=max(h, o, c),
                    low=min(low, o, c),
                    close=c,
                    volume=v,
                )
            )
    return made


@dataclass(slots=True)
class MissingCandles:
    """Which candles are stored, by their newest close, and how often a closed one was asked for in vain."""

    newest: dict[tuple[str, str], datetime]
    asked: dict[tuple[str, str], tuple[datetime, int]] = field(default_factory=dict)
    told: dict[tuple[str, str], Candle] = field(default_factory=dict)  # the newest, as it was told last

    def since(self, symbol: str, timeframe: str, now: datetime) -> datetime | None:
        """The open time of the first candle to ask for; None where none is missing, or the exchange has none.

        A symbol that nobody trades may have no candle at all: after some tries the next boundary is waited for.
        """
        key, length = (symbol, timeframe), TIMEFRAMES[timeframe]
        boundary, newest = floor(now - CLOSE_DELAY, length), self.newest.get((symbol, timeframe))
        tried, times = self.asked.get(key, (boundary, 0))
        times = times if tried == boundary else 0
        if (newest is not None and newest >= boundary) or times >= TRIES:
            return None
        self.asked[key] = (boundary, times + 1)
        oldest = boundary - (HISTORY_1M if timeframe == "1m" else HISTORY) * length
        if newest is None:
            return oldest
        return max(oldest, newest - length if key in self.told else newest)

    def news(self, candles: Sequence[Candle]) -> list[Candle]:
        """What of an answer was not told before: candles that closed since, and the last one where it was revised.

        An exchange may count a trade of the last moment only after the candle was asked for the first time.
        """
        return [new for candle in candles if (new := self._new(candle)) is not None]

    def _new(self, candle: Candle) -> Candle | None:
        key = candle.symbol, candle.timeframe
        newest, told = self.newest.get(key), self.told.get(key)
        if newest is None or candle.close_time > newest:
            return candle
        if told is None or candle.open_time != told.open_time:
            return None
        revised = candle.model_copy(update={"revision": told.revision + 1})
        return None if revised == told.model_copy(update={"revision": revised.revision}) else revised

    def stored(self, candle: Candle) -> None:
        key = candle.symbol, candle.timeframe
        self.newest[key], self.told[key] = candle.close_time, candle
