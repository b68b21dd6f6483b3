"""What a result is worth when several were tried: the best of many looks good by chance alone.

Deflated Sharpe ratio: Bailey and Lopez de Prado 2014, Journal of Portfolio Management 40(5):94. Probability of backtest
overfitting by combinatorially symmetric cross-validation: Bailey, Borwein, Lopez de Prado and Zhu 2017, Journal of
Computational Finance 20(4):39.
"""

from collections.abc import Sequence
from itertools import combinations
from math import e, sqrt
from statistics import NormalDist, fmean, pvariance

EULER = 0.5772156649015329
BLOCKS = 10
MIN_RETURNS = 10
_NORMAL = NormalDist()


def deflated_sharpe(returns: Sequence[float], trials: int = 1, spread: float | None = None) -> float | None:
    """The probability that the true Sharpe ratio is above what the best of `trials` without skill would show.

    `spread` is the standard deviation of the trials' Sharpe ratios, by period as `returns` are; where it is not known,
    that of an estimate from so many returns. One trial gives the probability that the ratio is above 0. None where
    there are too few returns, or they have no spread.
    """
    n = len(returns)
    if n < MIN_RETURNS or (moments := _moments(returns)) is None:
        return None
    ratio, skew, kurtosis = moments
    aim = _best_of(trials) * (1 / sqrt(n - 1) if spread is None else spread)
    variance = 1 - skew * ratio + (kurtosis - 1) / 4 * ratio * ratio
    return _NORMAL.cdf((ratio - aim) * sqrt(n - 1) / sqrt(variance)) if variance > 0 else None


def backtest_overfitting(trials: Sequence[Sequence[float]], blocks: int = BLOCKS) -> float | None:
    """How often the best trial of one half of the time is in the lower half of all in the other half.

    `trials` are returns of the same periods, one row a trial; their time is cut into an even number of blocks. None
    with fewer than two trials or fewer than two periods in a block.
    """
    size = len(trials[0]) // blocks if trials else 0
    if len(trials) < 2 or size < 2:
        return None
    rows = [[_sums(returns[n * size : (n + 1) * size]) for n in range(blocks)] for returns in trials]
    halves = list(combinations(range(blocks), blocks // 2))
    return fmean(_overfitted(rows, half, blocks, size) for half in halves)


def _overfitted(rows: Sequence[Sequence[tuple[float, float]]], half: Sequence[int], blocks: int, size: int) -> float:
    rest = [n for n in range(blocks) if n not in half]
    within = [_sharpe([row[n] for n in half], size) for row in rows]
    beyond = [_sharpe([row[n] for n in rest], size) for row in rows]
    chosen = beyond[within.index(max(within))]
    below = sum(other < chosen for other in beyond) + (sum(other == chosen for other in beyond) - 1) / 2
    return float(below / (len(rows) - 1) <= 0.5)


def _sums(returns: Sequence[float]) -> tuple[float, float]:
    return sum(returns), sum(value * value for value in returns)


def _sharpe(sums: Sequence[tuple[float, float]], size: int) -> float:
    n = len(sums) * size
    total, squares = sum(first for first, _ in sums), sum(second for _, second in sums)
    spread = squares / n - (total / n) ** 2
    return total / n / sqrt(spread) if spread > 0 else 0.0


def _best_of(trials: int) -> float:
    """The expected largest of so many standard normal values; 0 for one."""
    if trials < 2:
        return 0.0
    return (1 - EULER) * _NORMAL.inv_cdf(1 - 1 / trials) + EULER * _NORMAL.inv_cdf(1 - 1 / (trials * e))


def _moments(returns: Sequence[float]) -> tuple[float, float, float] | None:
    """Sharpe ratio by period, skewness and kurtosis (3 for a normal distribution)."""
    mean, spread = fmean(returns), sqrt(pvariance(returns))
    if spread <= 1e-12 * max(abs(value) for value in returns):
        return None
    scaled = [(value - mean) / spread for value in returns]
    return mean / spread, fmean(value**3 for value in scaled), fmean(value**4 for value in scaled)
