"""What a run says of itself: by hand on small columns, and in words that it can stand by."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from replay.statistics import HourlyWorth, against, equal_weight, statistics

START = datetime(2026, 3, 1, tzinfo=UTC)


def points(values: list[float], *, positions: int = 1) -> list[HourlyWorth]:
    return [HourlyWorth(START + timedelta(hours=n), value, positions) for n, value in enumerate(values)]


def walk(drift: float, seed: int, hours: int = 400) -> list[float]:
    steps = np.random.default_rng(seed).normal(drift, 0.002, hours)
    return [1_000.0, *(1_000 * np.cumprod(1 + steps)).tolist()]


def test_the_deepest_fall_and_the_longest_time_below_a_peak() -> None:
    told = statistics(points([100, 110, 99, 105, 110, 104, 103, 102, 101]), ())
    assert told["max_drawdown_pct"] == pytest.approx(10)
    assert told["max_drawdown_hours"] == 4
    assert told["return_pct"] == pytest.approx(1)
    assert (told["trades"], told["expectancy"], told["cagr_pct"]) == (0, None, None)


def test_exposure_counts_hours_with_a_position() -> None:
    held = [*points([100] * 3), *points([100] * 9, positions=0)]
    assert statistics(held, ())["exposure_pct"] == pytest.approx(25)


def test_equal_weight_is_the_mean_of_what_each_became() -> None:
    assert equal_weight({"A": [10, 20], "B": [5, 2.5]}) == [1, 1.25]


@pytest.mark.parametrize(
    ("drift", "verdict"),
    [(0.002, "better"), (-0.002, "worse"), (0.0, "no difference shown")],
    ids=["up", "down", "none"],
)
def test_a_difference_is_said_only_where_it_shows(drift: float, verdict: str) -> None:
    told = against(points(walk(drift, 3)), [1.0] * 401)
    assert told["verdict"] == verdict
    assert (told["hours_more"] is None) == (verdict != "no difference shown")


def test_a_few_hours_tell_nothing() -> None:
    assert against(points([100, 101, 102]), [1, 1, 1])["verdict"] == "too short to tell"
