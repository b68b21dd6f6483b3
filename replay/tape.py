"""The recorded market of one symbol as columns: the ticks that its bars are played as, and its candles, made once."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from libs.schemas.base import TIMEFRAME_SECONDS, Timeframe
from libs.schemas.market import MarketTick
from services.feed.domain.bars import STEP, TICKS_PER_BAR, MinuteBar, bar_tick
from services.feed.domain.recorded import RecordedMarket

Floats = NDArray[np.float64]
STEP_S = STEP.total_seconds()
MINUTE_S = 60
NEVER = 2**62
_FIRST_LOOK = 64  # ticks; each further look is four times as far


@dataclass(frozen=True, slots=True)
class CandleTable:
    """Whole candles of one timeframe, oldest first; `ends` are closing times, epoch seconds.

    Rows of `columns` are open, high, low, close, volume, quote volume and trades.
    """

    ends: NDArray[np.int64]
    columns: Floats
    step: int

    @property
    def rows(self) -> list[tuple[float, ...]]:
        return [tuple(row) for row in self.columns.T.tolist()]


class Tape:
    """Moment `i` is `i` quarters of a minute after `begins`; a bar is told at four of them."""

    def __init__(self, market: RecordedMarket, symbol: str) -> None:
        bars = market.columns(symbol, market.begins, market.ends)
        self.symbol = symbol
        self.begins = market.begins
        self._source = market.source
        self._market = market
        self._start = int(market.begins.timestamp())
        self.opens, self.highs, self.lows, self.closes, self.volumes = (
            np.array(column, np.float64) for column in (bars.open, bars.high, bars.low, bars.close, bars.volume)
        )
        before = np.concatenate(([bars.before], self.closes[:-1]))
        self.silent = (self.volumes == 0) & (self.highs == self.lows) & (self.lows == before)
        self.told = ~np.isnan(self.opens) & ~self.silent
        self.prices = self._path()
        self._newest = np.maximum.accumulate(np.where(self.told, np.arange(len(self.told)), -1))
        self.known = self._carried()

    def __len__(self) -> int:
        """Moments that may have a tick."""
        return len(self.prices)

    def newest(self, moment: int) -> int | None:
        """The moment of the newest tick at `moment`; None before the first."""
        minute = min(moment // TICKS_PER_BAR, len(self.told) - 1)
        if minute * TICKS_PER_BAR + TICKS_PER_BAR <= moment:  # beyond the last bar
            moment = minute * TICKS_PER_BAR + TICKS_PER_BAR - 1
        if self.told[minute]:
            return moment
        last = int(self._newest[minute])
        return None if last < 0 else last * TICKS_PER_BAR + TICKS_PER_BAR - 1

    def tick(self, moment: int) -> MarketTick:
        """The tick that is told at `moment`; it must be one."""
        minute, n = divmod(moment, TICKS_PER_BAR)
        opened = datetime.fromtimestamp(self._start + minute * MINUTE_S, UTC)
        o, h, low, c, v = (float(column[minute]) for column in self._columns())
        bar = MinuteBar(self.symbol, opened, o, h, low, c, v)
        return bar_tick(bar, n, self._source, self._market.funding(self.symbol, opened))

    def crosses(self, low: float, high: float, after: int) -> int:
        """The first moment after `after` whose price is at or below `low` or at or above `high`; NEVER without one."""
        start, width = after + 1, _FIRST_LOOK
        while start < len(self.prices):
            part = self.prices[start : start + width]
            found = np.flatnonzero((part <= low) | (part >= high))
            if len(found):
                return start + int(found[0])
            start, width = start + width, width * 4
        return NEVER

    def candles(self, timeframe: Timeframe, merged_from: int = NEVER) -> CandleTable:
        """As `services.feed.domain.timeframes.candle` makes them, to the last bit, whole columns at once.

        Those that open at `merged_from` (epoch seconds) or later are as the context's market merges them of its minutes
        (`Series.merge`): it keeps its own sums of volume, which differ from the feed's in the last bit.
        """
        step = TIMEFRAME_SECONDS[timeframe]
        minutes, lead = step // MINUTE_S, -self._start % step // MINUTE_S
        count = max(0, (len(self.opens) - lead) // minutes)
        shape = slice(lead, lead + count * minutes), (count, minutes)
        o, h, low, c, v = (column[shape[0]].reshape(shape[1]) for column in self._columns())
        whole = ~np.isnan(o).any(axis=1)
        quote = self._quotes()[shape[0]].reshape((count, minutes * TICKS_PER_BAR))
        trades = TICKS_PER_BAR * (minutes - self.silent[shape[0]].reshape(shape[1]).sum(axis=1))
        ends = self._start + (lead + np.arange(1, count + 1) * minutes) * MINUTE_S
        volume = np.array([sum(row) for row in v[whole].tolist()])
        quoted = np.add.accumulate(quote[whole], axis=1)[:, -1] if count else volume
        first, last = (o[whole][:, 0], c[whole][:, -1]) if count else (volume, volume)
        highest, lowest = (h[whole].max(axis=1), low[whole].min(axis=1)) if count else (volume, volume)
        merged = ends[whole] - step >= merged_from if step > MINUTE_S else np.zeros(len(volume), np.bool_)
        volume[merged] = v[whole][merged].sum(axis=1)
        minutes_quoted = np.add.accumulate(self._quotes(), axis=1)[:, -1][shape[0]].reshape(shape[1])
        quoted[merged] = minutes_quoted[whole][merged].sum(axis=1)
        columns = np.stack([first, highest, lowest, last, volume, quoted, trades[whole]]).astype(np.float64)
        return CandleTable(ends[whole], columns, step)

    def _columns(self) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        return self.opens, self.highs, self.lows, self.closes, self.volumes

    def _path(self) -> Floats:
        """The prices of the ticks in their order (services/feed/domain/bars.py: path); no number where none is told."""
        rose = self.closes >= self.opens
        second, third = np.where(rose, self.lows, self.highs), np.where(rose, self.highs, self.lows)
        four = np.stack([self.opens, second, third, self.closes], axis=1)
        four[~self.told] = np.nan
        return four.reshape(-1)

    def _carried(self) -> Floats:
        """The newest price at each moment."""
        places = np.maximum.accumulate(np.where(np.isnan(self.prices), -1, np.arange(len(self.prices))))
        return np.where(places < 0, np.nan, self.prices[np.maximum(places, 0)])

    def _quotes(self) -> Floats:
        """What each tick's size is worth, four a minute in their order; a silent minute's are of its price and 0."""
        rose = self.closes >= self.opens
        second, third = np.where(rose, self.lows, self.highs), np.where(rose, self.highs, self.lows)
        part = self.volumes / TICKS_PER_BAR
        rest = self.volumes - (part + part + part)
        return np.stack([self.opens * part, second * part, third * part, self.closes * rest], axis=1)


@dataclass(frozen=True, slots=True)
class Grid:
    """Moments and times. `first` is the moment that a replay starts at, `last` the one it ends with."""

    begins: datetime
    first: int
    last: int

    @classmethod
    def of(cls, market: RecordedMarket) -> "Grid":
        return cls(market.begins, (market.starts - market.begins) // STEP, (market.ends - market.begins) // STEP)

    def at(self, moment: int) -> datetime:
        return self.begins + moment * STEP

    def from_on(self, at: datetime) -> int:
        """The first moment at or after a time."""
        return -((self.begins - at) // STEP)

    def before(self, at: datetime) -> int:
        """The last moment before a time."""
        return self.from_on(at) - 1
