"""Intervals of shares, and what confidence was worth."""

from math import inf, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.analytics.accuracy import accuracy, calibration, wilson

# Right, decisions, and the bounds as published for Wilson's interval without continuity correction.
KNOWN = [
    (0, 10, 0.0, 0.2775),
    (1, 10, 0.0179, 0.4042),
    (5, 10, 0.2366, 0.7634),
    (10, 10, 0.7225, 1.0),
    (81, 263, 0.2553, 0.3662),
]


@pytest.mark.parametrize(("right", "decisions", "low", "high"), KNOWN)
def test_wilson_gives_the_published_bounds(right: int, decisions: int, low: float, high: float) -> None:
    assert list(wilson(right, decisions)) == pytest.approx([low, high], abs=1e-4)


@given(st.integers(1, 5_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_bounds_are_where_the_share_is_1_96_deviations_away(case: tuple[int, int]) -> None:
    right, decisions = case
    share = right / decisions
    low, high = wilson(right, decisions)
    assert 0 <= low <= share <= high <= 1
    for bound in (low, high):
        if 0 < bound < 1:
            deviation = sqrt(bound * (1 - bound) / decisions)
            assert abs(share - bound) / deviation == pytest.approx(1.959964, rel=1e-4)


@pytest.mark.parametrize(("right", "decisions"), [(0, 0), (2, 1), (-1, 3)])
def test_no_share_has_no_interval(right: int, decisions: int) -> None:
    with pytest.raises(ValueError, match="no share"):
        wilson(right, decisions)


def test_accuracy_counts_what_is_known_and_a_zero_return_is_not_right() -> None:
    found = accuracy([0.5, -0.1, None, 0.0, inf])
    assert (found.right, found.decisions, found.share) == (2, 4, 0.5)
    nothing = accuracy([None])
    assert (nothing.decisions, nothing.share, nothing.low) == (0, None, None)


@pytest.mark.parametrize(
    ("pairs", "brier"),
    [
        ([], None),
        ([(100.0, True)], 0.0),
        ([(100.0, False)], 1.0),
        ([(50.0, True), (50.0, False)], 0.25),
        ([(70.0, True)] * 7 + [(70.0, False)] * 3, 0.21),
    ],
)
def test_brier_scores(pairs: list[tuple[float, bool]], brier: float | None) -> None:
    assert calibration(pairs).brier == (None if brier is None else pytest.approx(brier))


def test_the_table_has_a_row_for_each_bin_that_holds_something() -> None:
    table = calibration([(0.0, False), (9.9, True), (70.0, True), (75.0, False), (100.0, True)]).table
    assert [(row.low, row.high, row.decisions) for row in table] == [(0, 10, 2), (70, 80, 2), (90, 100, 1)]
    assert table[1].confidence == pytest.approx(0.725)
    assert table[1].hit_rate == 0.5


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), min_size=1, max_size=50))
def test_the_rows_together_are_all_decisions(pairs: list[tuple[float, bool]]) -> None:
    found = calibration(pairs)
    assert sum(row.decisions for row in found.table) == found.decisions == len(pairs)
    hits = sum(row.hit_rate * row.decisions for row in found.table)
    assert hits == pytest.approx(sum(right for _, right in pairs))
    assert all(row.low / 100 - 1e-9 <= row.confidence <= row.high / 100 + 1e-9 for row in found.table)
