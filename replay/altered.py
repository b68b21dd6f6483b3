"""Markets whose future is another one: equal to what was told by a moment, and different in everything after it."""

from array import array
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from math import isnan
from typing import Literal

import numpy as np

from services.feed.domain.bars import MINUTE, Bars
from services.feed.domain.recorded import RecordedMarket

Alteration = Literal["cut", "raised", "lowered", "scrambled"]
ALTERATIONS: tuple[Alteration, ...] = ("cut", "raised", "lowered", "scrambled")
AWAY = 1.25  # prices of a future that is shifted
JUMP = 0.02  # of a scrambled one, its standard deviation by the minute


def altered(market: RecordedMarket, minute: datetime, kind: Alteration, seed: int) -> RecordedMarket:
    """The market in which `minute` is under way and its first two ticks were told: its open and the extreme that came
    first stay, all that followed is another market's, or there is nothing after it."""
    ends = minute + MINUTE if kind == "cut" else market.ends
    whole = {
        symbol: _bars(bars, (minute - bars.first) // MINUTE, kind, seed + n)
        for n, (symbol, bars) in enumerate(market.whole.items())
    }
    return replace(market, whole=whole, ends=min(market.ends, ends))


def _bars(bars: Bars, at: int, kind: Alteration, seed: int) -> Bars:
    if not 0 <= at < len(bars.open):
        return bars
    columns = [array("d", column) for column in (bars.open, bars.high, bars.low, bars.close, bars.volume)]
    factors = _factors(len(bars.open) - at - 1, kind, seed)
    for n, factor in enumerate(factors, at + 1):
        for column in columns[:4]:
            column[n] *= factor
    _finish(columns, at, 1 + 3 * JUMP if kind == "scrambled" else AWAY)
    kept = slice(0, at + 1) if kind == "cut" else slice(None)
    opened, high, low, close, volume = (column[kept] for column in columns)
    return replace(bars, open=opened, high=high, low=low, close=close, volume=volume)


def _finish(columns: list["array[float]"], at: int, factor: float) -> None:
    """Another end of a minute of which two ticks were told: the path of its ticks stays the same up to there."""
    opened, high, low, close = (column[at] for column in columns[:4])
    if isnan(opened):
        return
    if close >= opened:  # told were the open and the low
        columns[3][at] = max(close, opened) * factor
        columns[1][at] = max(high, close) * factor
    else:  # told were the open and the high
        columns[3][at] = close / factor
        columns[2][at] = low / factor


def _factors(count: int, kind: Alteration, seed: int) -> Iterable[float]:
    if kind == "scrambled":
        steps = np.random.default_rng(seed).normal(0, JUMP, count)
        return [float(factor) for factor in np.exp(np.clip(np.cumsum(steps), -2, 2))]
    return [1 / AWAY if kind == "lowered" else AWAY] * count
