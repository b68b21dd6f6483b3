"""How many more pairs it takes until a difference of the size that is seen would show.

For a mean of values with spread σ, n = ((z₀.₉₇₅ + z₀.₈) · σ / δ)² values show a difference δ with 95 % confidence in
four of five cases (Lachin 1981, Controlled Clinical Trials 2:93). The spread of the mean is taken from the interval of
the block bootstrap, so that values which hang together count for what they are worth.
"""

from math import ceil

from libs.analytics.accuracy import Z_95
from libs.analytics.bootstrap import MIN_BLOCKS, MIN_VALUES, Interval, block_of

Z_80 = 0.8416212335729143
MOST = 100_000  # a difference that takes more than this is too small to wait for


def more_needed(seen: Interval, overlap: float = 1.0) -> int | None:
    """About how many more values; None where the difference is shown, is nothing, or is too small to wait for."""
    if seen.low is None or seen.high is None:
        return max(1, _least(seen.values, overlap) - seen.values)
    if seen.low > 0 or seen.high < 0 or seen.mean == 0:
        return None
    spread_of_mean = (seen.high - seen.low) / (2 * Z_95)
    more = seen.values * (((Z_95 + Z_80) * spread_of_mean / seen.mean) ** 2 - 1)
    return max(1, ceil(more)) if more <= MOST else None


def _least(values: int, overlap: float) -> int:
    """How many values give an interval at all, when as many as now hang together."""
    least = max(MIN_VALUES, values)
    while least < MIN_BLOCKS * block_of(least, overlap):
        least = MIN_BLOCKS * block_of(least, overlap)
    return least


def in_words(verdict: str, more: int | None) -> str:
    """What a comparison says to people."""
    return verdict if more is None else f"{verdict}; too early: about {more} more pairs"
