"""How assets move together: EWMA correlations of their hourly returns, with hysteresis.

Zero-mean EWMA covariance as in RiskMetrics (J.P. Morgan, Technical Document, 4th ed. 1996, §5.2), weights normalised
over the window. Everything is a function of the last 7 days of closed candles alone, so that every copy of a worker
says the same, whenever it was started.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from libs.schemas.base import Timeframe
from libs.schemas.decision import pair_key
from services.context.domain.series import Floats, Series

TIMEFRAME: Timeframe = "1h"
WINDOW = 7 * 24  # returns
ENOUGH = 48  # with fewer returns in common a pair counts as correlated
HALF_LIFE = 48.0  # returns after which a weight has halved
ON, OFF = 0.8, 0.7


@dataclass(frozen=True, slots=True)
class Correlations:
    """By `pair_key`: the newest correlation, −1…1, where there are enough returns; and whether it counts as one."""

    values: Mapping[str, float] = field(default_factory=dict)
    correlated: Mapping[str, bool] = field(default_factory=dict)

    def of(self, one: str, other: str) -> float:
        """The correlation of two assets; 1 of one with itself and where too little is known."""
        return 1.0 if one == other else self.values.get(pair_key(one, other), 1.0)


class Shared:
    """Correlations shared by all accounts: those of a pair are made anew only when an hourly candle of it changes."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[tuple[int, int], float | None, bool]] = {}

    def of(self, series: Mapping[str, Series | None]) -> Correlations:
        """Of every pair of symbols; `series` are their hourly candles."""
        values, together = {}, {}
        for one, other in combinations(sorted(series), 2):
            key = pair_key(one, other)
            value, together[key] = self._pair(key, series[one], series[other])
            if value is not None:
                values[key] = value
        return Correlations(values, together)

    def _pair(self, key: str, one: Series | None, other: Series | None) -> tuple[float | None, bool]:
        versions = one.version if one else 0, other.version if other else 0
        kept = self._kept.get(key)
        if kept is None or kept[0] != versions:
            path = _path(*_common(_returns(one), _returns(other)))[ENOUGH - 1 :].tolist()
            kept = self._kept[key] = versions, round(min(1.0, max(-1.0, path[-1])), 6) if path else None, counts(path)
        return kept[1:]


_Returns = tuple[NDArray[np.int64], Floats]


def _returns(series: Series | None) -> _Returns:
    """Close times and log returns of those of the newest hours that follow an hour."""
    if series is None or len(series) < 2:
        return np.empty(0, np.int64), np.empty(0)
    times, close = series.times[-WINDOW - 1 :], series.close[-WINDOW - 1 :]
    whole = np.diff(times) == series.step
    return times[1:][whole] + series.step, np.diff(np.log(close))[whole]


def _common(one: _Returns, other: _Returns) -> tuple[Floats, Floats]:
    _, i, j = np.intersect1d(one[0], other[0], assume_unique=True, return_indices=True)
    return one[1][i], other[1][j]


def _path(one: Floats, other: Floats) -> Floats:
    """The correlation after each return, oldest first; 0 while one of the two has not moved at all."""
    if not len(one):
        return np.empty(0)
    weights = _weights(len(one))
    covariance, first, second = weights @ (one * other), weights @ (one * one), weights @ (other * other)
    scale = np.sqrt(first * second)
    return np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > 0)


@lru_cache(maxsize=4)
def _weights(n: int) -> Floats:
    """Row i: the weights of returns 0…i after return i."""
    age = np.arange(n)[:, None] - np.arange(n)[None, :]
    return np.where(age >= 0, 0.5 ** (np.maximum(age, 0) / HALF_LIFE), 0.0)


def counts(path: Sequence[float]) -> bool:
    """Whether a pair with these correlations, oldest first, counts as correlated.

    On above 0.8, off below 0.7, in between as before; on at first.
    """
    on = True
    for value in path:
        on = value >= OFF if on else value > ON
    return on
