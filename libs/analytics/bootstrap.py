"""An interval for a mean of values that hang together in time: the circular block bootstrap.

The source is Politis and Romano 1992 (in LePage and Billard, Exploring the Limits of Bootstrap): whole blocks are
drawn, so that what is near in time stays together. The same data give the same interval.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import ceil, sqrt

DRAWS = 1_000
MIN_VALUES = 10
MIN_BLOCKS = 5
ROUNDING = 1e-12  # a spread of this size beside the values is none
_MASK = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its 95 % interval; null bounds where there are too few values, or blocks of them."""

    mean: float
    low: float | None
    high: float | None
    values: int


def interval(values: Sequence[float], overlap: float = 1.0) -> Interval | None:
    """Of values in order of time, of which about `overlap` following each other share what they measure.

    None without values. A block has at least the cube root of their number.
    """
    n = len(values)
    if not n:
        return None
    mean = sum(values) / n
    block = block_of(n, overlap)
    if n < MIN_VALUES or n < MIN_BLOCKS * block:
        return Interval(mean, None, None, n)
    means = sorted(_means(values, block))
    cut = DRAWS // 40
    return Interval(mean, means[cut], means[DRAWS - 1 - cut], n)


def block_of(values: int, overlap: float) -> int:
    """How many values in a row are drawn together."""
    root: float = values ** (1 / 3)
    return max(1, ceil(root), ceil(overlap))


def luck(values: Sequence[float], overlap: float = 1.0) -> float | None:
    """How often a mean this far from 0, to either side, comes about where the true mean is 0: a share of the draws.

    None where there are too few values for an interval.
    """
    n = len(values)
    block = block_of(n, overlap) if n else 1
    if n < MIN_VALUES or n < MIN_BLOCKS * block:
        return None
    mean = sum(values) / n
    beyond = sum(abs(drawn - mean) >= abs(mean) for drawn in _means(values, block))
    return (beyond + 1) / (DRAWS + 1)


def ratio_interval(values: Sequence[float], scale: float, overlap: float = 1.0) -> Interval | None:
    """Of mean over standard deviation, × `scale`; None where values have no spread, or there are none."""
    n = len(values)
    if n < 2 or (whole := _ratio(sum(values), sum(value * value for value in values), n)) is None:
        return None
    block = block_of(n, overlap)
    if n < MIN_VALUES or n < MIN_BLOCKS * block:
        return Interval(whole * scale, None, None, n)
    squares = [value * value for value in values]
    ratios = sorted(_ratio(first, second, n) or 0.0 for first, second in _totals((values, squares), block))
    cut = DRAWS // 40
    return Interval(whole * scale, ratios[cut] * scale, ratios[DRAWS - 1 - cut] * scale, n)


def _ratio(total: float, squares: float, n: int) -> float | None:
    spread = (squares - total * total / n) / (n - 1)
    return total / n / sqrt(spread) if spread > ROUNDING * squares / n else None


def _means(values: Sequence[float], block: int) -> Iterator[float]:
    n = len(values)
    return (total / n for (total,) in _totals((values,), block))


def _totals(columns: Sequence[Sequence[float]], block: int) -> Iterator[tuple[float, ...]]:
    """The sum of each column over the same drawn blocks."""
    n = len(columns[0])
    sums = [[0.0, *accumulate((*values, *values[:block]))] for values in columns]
    blocks, rest = divmod(n, block)
    draw = _numbers(n)
    for _ in range(DRAWS):
        starts = [next(draw) % n for _ in range(blocks)]
        last = next(draw) % n if rest else 0
        yield tuple(_sum(column, starts, block) + column[last + rest] - column[last] for column in sums)


def _sum(column: Sequence[float], starts: Sequence[int], block: int) -> float:
    return sum(column[start + block] - column[start] for start in starts)


def _numbers(seed: int) -> Iterator[int]:
    """SplitMix64 (Steele, Lea and Flood 2014, OOPSLA)."""
    state = seed
    while True:
        state = (state + 0x9E3779B97F4A7C15) & _MASK
        z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        yield z ^ (z >> 31)
