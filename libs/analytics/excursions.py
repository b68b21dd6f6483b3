"""How far the market went for a position and against it while it was held.

Maximum favourable and adverse excursion are Sweeney's (Campaign Trading, 1996), in percent of the entry: the favourable
one is never below 0, the adverse one never above. They are made of whole candles within the time of holding, and of
entry and exit themselves: what the market did in the same minute before the one or after the other is not theirs.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from libs.analytics.forward import signed_move

EDGE_S = 60.0  # the minutes of entry and exit are no whole candles of it
UNSEEN = 0.05  # share of the holding time that may be without candles in one stretch


@dataclass(frozen=True, slots=True)
class PathBar:
    """What of a closed candle counts here, of any timeframe."""

    open_time: datetime
    close_time: datetime
    high: float
    low: float
    close: float


@dataclass(frozen=True, slots=True)
class TradeHeld:
    """A position from open to flat. `sign` 1 for a long, -1 for a short; `entry` is the average price."""

    sign: int
    entry: float
    exit: float
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Excursion:
    mfe: float
    mae: float


def excursion(held: TradeHeld, bars: Iterable[PathBar]) -> Excursion | None:
    """None where candles are missing for a part of the time: nobody knows how far the market went then."""
    within = [bar for bar in bars if held.since <= bar.open_time and bar.close_time <= held.until]
    span = (held.until - held.since).total_seconds()
    if _longest_unseen_s(held, within) > max(EDGE_S, UNSEEN * span):
        return None
    prices = [held.exit, *(bar.high for bar in within), *(bar.low for bar in within)]
    moves = [signed_move(held.sign, held.entry, price) for price in prices]
    return Excursion(max(0.0, *moves), min(0.0, *moves))


def _longest_unseen_s(held: TradeHeld, within: Iterable[PathBar]) -> float:
    seen_to, longest = held.since, 0.0
    for bar in sorted(within, key=lambda bar: bar.open_time):
        longest = max(longest, (bar.open_time - seen_to).total_seconds())
        seen_to = max(seen_to, bar.close_time)
    return max(longest, (held.until - seen_to).total_seconds())
