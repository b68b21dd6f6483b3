"""How many more pairs: against a simulation that knows nothing of the formula, and at the edges."""

import random
from statistics import fmean, stdev

import pytest

from libs.analytics.bootstrap import MIN_VALUES, Interval, interval
from libs.analytics.power import in_words, more_needed


def test_so_many_values_show_the_difference_four_times_of_five() -> None:
    seen = Interval(mean=0.2, low=0.2 - 1.96 * 0.1, high=0.2 + 1.96 * 0.1 + 0.001, values=100)
    barely = Interval(mean=0.1, low=0.1 - 1.96 * 0.1, high=0.1 + 1.96 * 0.1, values=100)  # the spread of a value is 1
    assert more_needed(seen) is None
    more = more_needed(barely)
    assert more is not None
    draw, n, tries = random.Random(7), 100 + more, 400
    shown = 0
    for _ in range(tries):
        values = [draw.gauss(0.1, 1) for _ in range(n)]
        shown += fmean(values) > 1.96 * stdev(values) / n**0.5
    assert shown / tries == pytest.approx(0.8, abs=0.06)


@pytest.mark.parametrize(
    ("mean", "low", "high"), [(1.0, 0.5, 1.5), (-1.0, -1.5, -0.5), (0.0, -1.0, 1.0), (0.0001, -1.0, 1.0)]
)
def test_what_is_shown_or_nothing_or_tiny_is_not_waited_for(mean: float, low: float, high: float) -> None:
    assert more_needed(Interval(mean, low, high, 100)) is None


@pytest.mark.parametrize("overlap", [1.0, 3.5, 24.0])
@pytest.mark.parametrize("values", [1, 5, 9, 11, 60])
def test_without_an_interval_it_is_what_the_first_interval_takes(values: int, overlap: float) -> None:
    few = interval([float(n % 3) for n in range(values)], overlap)
    assert few is not None
    if few.low is not None:
        pytest.fail("there is an interval") if values < MIN_VALUES else None
        return
    more = more_needed(few, overlap)
    assert more is not None and more >= 1
    enough = interval([float(n % 3) for n in range(values + more)], overlap)
    assert enough is not None and enough.low is not None


def test_people_are_told_that_it_is_too_early() -> None:
    assert in_words("no difference shown", 40) == "no difference shown; too early: about 40 more pairs"
    assert in_words("higher", None) == "higher"
