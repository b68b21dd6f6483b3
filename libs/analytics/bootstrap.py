"""An interval for a mean of values that hang together in time: the circular block bootstrap.

The source is Politis and Romano 1992 (in LePage and Billard, Exploring the Limits of Bootstrap): whole blocks are
drawn, so that what is near in time stays together. The same data give the same interval.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import ceil

DRAWS = 1_000
MIN_VALUES = 10
MIN_BLOCKS = 5
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


def _means(values: Sequence[float], block: int) -> Iterator[float]:
    n = len(values)
    sums = [0.0, *accumulate((*values, *values[:block]))]
    blocks, rest = divmod(n, block)
    draw = _numbers(n)
    for _ in range(DRAWS):
        total = sum(sums[(at := next(draw) % n) + block] - sums[at] for _ in range(blocks))
        if rest:
            at = next(draw) % n
            total += sums[at + rest] - sums[at]
        yield total / n


def _numbers(seed: int) -> Iterator[int]:
    """SplitMix64 (Steele, Lea and Flood 2014, OOPSLA)."""
    state = seed
    while True:
        state = (state + 0x9E3779B97F4A7C15) & _MASK
        z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        yield z ^ (z >> 31)
