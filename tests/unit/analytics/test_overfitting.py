"""What was tried often looks good by chance: by simulation, and against plain numpy."""

import random
from statistics import fmean, stdev

import pytest

from libs.analytics.bootstrap import interval, luck, ratio_interval
from libs.analytics.overfitting import backtest_overfitting, deflated_sharpe


def returns(seed: int, n: int = 200, drift: float = 0.0) -> list[float]:
    draw = random.Random(seed)
    return [draw.gauss(drift, 0.01) for _ in range(n)]


def ratio(values: list[float]) -> float:
    return fmean(values) / stdev(values)


def test_the_best_of_many_without_skill_is_seldom_taken_for_skill() -> None:
    tries = []
    for start in range(0, 1_200, 40):
        best = max((returns(seed) for seed in range(start, start + 40)), key=ratio)
        tries.append((deflated_sharpe(best), deflated_sharpe(best, trials=40)))
    assert fmean(once is not None and once >= 0.95 for once, _ in tries) > 0.5
    assert fmean(told is not None and told >= 0.95 for _, told in tries) < 0.2


def test_skill_is_told_from_forty_trials() -> None:
    told = deflated_sharpe(returns(1, 1_000, drift=0.003), trials=40)
    assert told is not None and told > 0.99


@pytest.mark.parametrize("values", [[0.01] * 50, [0.01, -0.01]], ids=["no spread", "two returns"])
def test_where_there_is_no_ratio_there_is_no_deflated_one(values: list[float]) -> None:
    assert deflated_sharpe(values) is None


def test_trials_without_skill_are_overfitted_about_as_often_as_not_and_a_skilled_one_never() -> None:
    luckless = [backtest_overfitting([returns(seed, 100) for seed in range(at, at + 8)]) for at in range(0, 80, 8)]
    assert 0.3 <= fmean(share for share in luckless if share is not None) <= 0.7
    skilled = [returns(seed, 100) for seed in range(8)]
    skilled[3] = returns(3, 100, drift=0.02)
    assert backtest_overfitting(skilled) == 0
    assert backtest_overfitting(skilled[:1]) is None


def test_luck_is_high_without_a_difference_and_low_with_a_clear_one() -> None:
    by_chance = [luck(returns(seed, 120)) for seed in range(40)]
    assert sum(share is not None and share < 0.05 for share in by_chance) <= 8
    clear = luck(returns(2, 120, drift=0.01))
    assert clear is not None and clear < 0.01
    assert luck(returns(3, 5)) is None


def test_an_interval_that_excludes_nothing_and_luck_agree() -> None:
    for seed in range(10):
        values = returns(seed, 150, drift=0.0012)
        seen, share = interval(values), luck(values)
        assert seen is not None and seen.low is not None and seen.high is not None and share is not None
        outside = seen.low > 0 or seen.high < 0
        assert outside == (share < 0.05) or abs(share - 0.05) < 0.03


def test_the_interval_of_a_ratio_is_around_it_and_narrower_with_more() -> None:
    few, many = (ratio_interval(returns(5, n, drift=0.001), 1.0) for n in (100, 1_600))
    assert few and many and few.low is not None and few.high is not None
    assert few.low < few.mean < few.high
    assert many.low is not None and many.high is not None
    assert many.high - many.low < (few.high - few.low) / 2
    assert few.mean == pytest.approx(ratio(returns(5, 100, drift=0.001)))
    assert ratio_interval([0.5] * 30, 1.0) is None
