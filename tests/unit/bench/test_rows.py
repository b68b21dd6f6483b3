"""A slower machine makes no row miss its goal, and a faster one none meet it."""

from typing import Any

import pytest

from bench.__main__ import main
from bench.rows import Figures, judged, line_of, middle, worse

FIGURES = Figures("theirs", 20.0, {"took": 9.0, "rate": 100.0})


def row(
    name: str = "took", value: float = 10.0, unit: str = "ms", goal: float | None = 10.0, **more: Any
) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "goal": goal, "met": None, "reference": "r", **more}


# a row, the factor of the machine, and whether it is met
JUDGED = {
    "twice the time on a machine half as fast": (row(value=20.0), 2.0, True),
    "the same time on a machine twice as fast": (row(value=10.0), 0.5, False),
    "half the rate on a machine half as fast": (row("rate", 50.0, "ticks/s", 100.0), 2.0, True),
    "less than half the rate there": (row("rate", 49.0, "ticks/s", 100.0), 2.0, False),
    "messages, of which fewer are better": (row("idle", 15.0, "/s", 20.0, less=True), 1.0, True),
}


@pytest.mark.parametrize("case", JUDGED)
def test_a_row_in_time_is_judged_as_if_it_were_measured_on_the_machine_of_the_figures(case: str) -> None:
    measured, factor, met = JUDGED[case]
    assert judged(measured, factor)["met"] is met


def test_what_the_machine_is_not_in_is_left_as_it_was_judged() -> None:
    for measured in (row(unit="MiB", met=True), row("ticks_in", unit="ticks/s", same_run=True, met=False)):
        assert judged(measured, 2.0) == measured


def test_of_several_runs_the_median_is_shown_with_their_spread() -> None:
    (shown,) = middle([[row(value=value)] for value in (30.0, 10.0, 20.0)])
    assert (shown["value"], shown["reference"]) == (20.0, "r; 3 runs, 10.00 to 30.00")


def test_of_two_runs_the_lower_is_shown_with_what_was_judged_of_it() -> None:
    (shown,) = middle([[judged(row(value=value), 2.0)] for value in (30.0, 10.0)])
    assert (shown["value"], shown["normalised"], shown["met"]) == (10.0, 5.0, True)


def test_figures_of_two_machines_are_not_kept_beside_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["bench", "--keep", "--only", "judge_10"])
    with pytest.raises(SystemExit, match="2"):
        main()


def test_a_row_that_is_a_third_worse_than_committed_says_so() -> None:
    assert worse(judged(row(value=13.0), 1.0), FIGURES) == "WORSE than the 9.00 of the committed figures"
    assert worse(judged(row(value=13.0), 1.3), FIGURES) == ""
    assert worse(judged(row("rate", 70.0, "/s", None), 1.0), FIGURES) != ""
    assert worse(row("new"), FIGURES) == ""


def test_figures_come_back_as_they_were_written(tmp_path: Any) -> None:
    FIGURES.write(tmp_path / "figures.json")
    assert Figures.read(tmp_path / "figures.json") == FIGURES
    assert FIGURES.factor(30.0) == 1.5


def test_a_row_is_one_line_with_its_factor() -> None:
    assert line_of(judged(row(value=20.0), 2.0)).split() == ["took", "20.00", "ms", "×2.00", "goal", "10", "met", "r"]
