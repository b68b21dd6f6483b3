"""Runs side by side say a difference only where one shows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from replay.compare import NotComparable, compare
from replay.report.folder import HourlyEquity, RunRead
from replay.report.side_by_side import comparison_in_words, comparison_page
from replay.statistics import HourlyWorth, statistics

START = datetime(2026, 3, 1, tzinfo=UTC)


def run(name: str, drift: float, seed: int, *, start: datetime = START, hours: int = 300) -> RunRead:
    steps = np.random.default_rng(seed).normal(drift, 0.002, hours)
    values = [1_000.0, *(1_000 * np.cumprod(1 + steps)).tolist()]
    times = [start + timedelta(hours=n) for n in range(hours + 1)]
    points = [HourlyWorth(at, value, 1) for at, value in zip(times, values, strict=True)]
    row: dict[str, Any] = {"account_id": "own", "strategy_id": "swing", "return_pct": (values[-1] / 1_000 - 1) * 100}
    row |= {"statistics": statistics(points, ()), "fees": "1", "funding": "0"}
    equity = {"own": HourlyEquity(times, values)}
    nothing: dict[Any, Any] = {}
    summary = {"accounts": [row]}
    return RunRead(name, {}, summary, equity, {}, [], nothing, nothing, nothing, nothing, nothing)


@pytest.mark.parametrize(
    ("drift", "verdict"), [(0.002, "better"), (-0.002, "worse"), (0.0, "no difference shown")], ids=str
)
def test_a_run_beside_another(drift: float, verdict: str) -> None:
    told = compare([run("first", 0.0, 1), run("second", drift, 2)])
    assert told.accounts[0].beside is None
    beside = told.accounts[1].beside
    assert beside is not None and beside["verdict"] == verdict
    words = " ".join(comparison_in_words(told))
    assert ("No difference" in words) == (verdict == "no difference shown")


def test_the_best_of_many_equal_runs_is_not_called_skilled() -> None:
    told = compare([run(f"run {n}", 0.0, n, hours=120) for n in range(12)])
    assert told.deflated is not None and told.deflated < 0.95
    assert told.overfitting is not None and told.overfitting > 0.2
    page = comparison_page(told)
    assert "run 11: own" in page and "<script" not in page


def test_only_common_hours_count_and_without_any_nothing_is_compared() -> None:
    later = run("later", 0.0, 2, start=START + timedelta(hours=100))
    assert len(compare([run("first", 0.0, 1), later]).accounts[0].returns) == 200
    with pytest.raises(NotComparable):
        compare([run("first", 0.0, 1), run("other", 0.0, 2, start=START + timedelta(days=90))])
