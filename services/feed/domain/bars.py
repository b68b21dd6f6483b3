"""One-minute bars, the ticks that they are played as, and the candles that they make."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import isnan, nan
from typing import NamedTuple

from libs.schemas.market import MarketTick
from services.feed.domain.funding import FundingRate

MINUTE = timedelta(minutes=1)
TICKS_PER_BAR = 4
STEP = MINUTE / TICKS_PER_BAR


class MinuteBar(NamedTuple):
    """One minute of one symbol. Prices in quote currency, volume in base units. Nothing happens in a silent one.

    A tuple: a frozen dataclass takes four times as long to make.
    """

    symbol: str
    open_time: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars of one symbol from `first` on, as columns: a bar each would take ten times the memory. A minute that is
    missing has no numbers. `before` is the close of the minute before the first one, where it is known."""

    symbol: str
    first: datetime
    open: Sequence[float]
    high: Sequence[float]
    low: Sequence[float]
    close: Sequence[float]
    volume: Sequence[float]
    before: float = field(default=nan, kw_only=True)

    @property
    def end(self) -> datetime:
        """Close of the last bar."""
        return self.first + len(self.open) * MINUTE

    def between(self, start: datetime, end: datetime) -> list[MinuteBar]:
        """The bars that open in [start, end), as far as there are any; those that are missing are left out."""
        cut = self.cut(start, end)
        return [
            MinuteBar(self.symbol, cut.first + n * MINUTE, *row, row[4] == 0 and cut.still(n))
            for n, row in enumerate(cut.rows())
            if not isnan(row[0])
        ]

    def cut(self, start: datetime, end: datetime) -> "Bars":
        """The columns of the minutes in [start, end), as far as there are any."""
        a = min(len(self.open), max(0, (start - self.first) // MINUTE))
        b = max(a, min(len(self.open), (end - self.first) // MINUTE))
        columns = (self.open[a:b], self.high[a:b], self.low[a:b], self.close[a:b], self.volume[a:b])
        return Bars(self.symbol, self.first + a * MINUTE, *columns, before=self.close[a - 1] if a else self.before)

    def rows(self) -> Iterator[tuple[float, float, float, float, float]]:
        """Open, high, low, close and volume of each minute."""
        return zip(self.open, self.high, self.low, self.close, self.volume, strict=True)

    def gaps(self) -> list[tuple[datetime, int]]:
        """Where minutes are missing: the first, and how many."""
        found: list[tuple[datetime, int]] = []
        for n in (n for n, value in enumerate(self.open) if isnan(value)):
            at = self.first + n * MINUTE
            if found and at == found[-1][0] + found[-1][1] * MINUTE:
                found[-1] = found[-1][0], found[-1][1] + 1
            else:
                found.append((at, 1))
        return found

    def still(self, n: int) -> bool:
        """Whether nothing moved: where nothing was traded either, no tick is made up for it."""
        return self.high[n] == self.low[n] == (self.close[n - 1] if n else self.before)


def path(bar: MinuteBar) -> tuple[float, float, float, float]:
    """The prices of a bar in the order they are played: down first in a bar that rose, up first in one that fell."""
    if bar.close >= bar.open:
        return bar.open, bar.low, bar.high, bar.close
    return bar.open, bar.high, bar.low, bar.close


def sizes(volume: float) -> tuple[float, float, float, float]:
    """Four sizes whose sum from left to right is `volume` to the last bit."""
    part = volume / TICKS_PER_BAR
    return part, part, part, volume - (part + part + part)


def bar_ticks(bar: MinuteBar, source: str, funding: FundingRate | None) -> tuple[MarketTick, ...]:
    """A bar as four ticks, 15 s apart from its opening on, with the funding that was known then.

    Each is of a quarter of what traded, so that candles can be built again; the minute's volume stands beside it.
    """
    return tuple(bar_tick(bar, n, source, funding) for n in range(TICKS_PER_BAR))


def bar_tick(bar: MinuteBar, n: int, source: str, funding: FundingRate | None) -> MarketTick:
    """The tick `n` (from 0) of a bar: a replay looks at few of them."""
    opened_ms = int(bar.open_time.timestamp()) * 1000
    return MarketTick(
        symbol=bar.symbol,
        price=path(bar)[n],
        tick_id=f"{source}:{bar.symbol}:{opened_ms}:{n}",
        ts=bar.open_time + n * STEP,
        size=sizes(bar.volume)[n],
        span_volume=bar.volume,
        funding_rate=None if funding is None else funding.rate,
        funding_interval_hours=None if funding is None else funding.hours,
        next_funding_time=None if funding is None else funding.next_time,
        source=source,
    )
