"""The block bootstrap against another one of lists of indices and Python's own random numbers, and by coverage."""

import random
from collections.abc import Sequence
from statistics import fmean, quantiles

import pytest

from libs.analytics.bootstrap import block_of, interval


def hanging_together(n: int, hold: float, seed: int) -> list[float]:
    """An autoregression of order one: the mean of many is 0."""
    draw, value, values = random.Random(seed), 0.0, []
    for _ in range(n):
        value = hold * value + draw.gauss(0, 1)
        values.append(value)
    return values


def by_indices(values: Sequence[float], block: int, draws: int) -> tuple[float, float]:
    draw, n = random.Random(1), len(values)
    means = []
    for _ in range(draws):
        drawn: list[float] = []
        while len(drawn) < n:
            start = draw.randrange(n)
            drawn += [values[(start + k) % n] for k in range(block)]
        means.append(fmean(drawn[:n]))
    cuts = quantiles(means, n=40, method="inclusive")
    return cuts[0], cuts[-1]


@pytest.mark.parametrize(("n", "overlap", "hold"), [(60, 1.0, 0.0), (200, 8.0, 0.6), (333, 20.0, 0.8)])
def test_another_bootstrap_finds_the_same_interval(n: int, overlap: float, hold: float) -> None:
    values = hanging_together(n, hold, seed=n)
    seen = interval(values, overlap)
    assert seen is not None and seen.low is not None and seen.high is not None
    low, high = by_indices(values, block_of(n, overlap), 2_000)
    width = high - low
    assert [seen.low, seen.high] == pytest.approx([low, high], abs=0.12 * width)


def test_the_true_mean_of_values_that_hang_together_is_in_most_intervals() -> None:
    """Blocks of single values would hold it in six of ten."""
    tries = [interval(hanging_together(240, 0.7, seed), 12) for seed in range(120)]
    held = sum(one.low <= 0 <= one.high for one in tries if one and one.low is not None and one.high is not None)
    assert 0.86 <= held / len(tries) <= 0.99
