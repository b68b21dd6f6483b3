"""Scores, ranks and recommendations."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.analytics.comparison import ranked, recommend
from libs.analytics.performance import performance
from libs.analytics.scoring import BANDS, banded, grade, score
from libs.schemas.analytics import StrategyPerformance
from tests.unit.analytics.samples import WEEK, trades


def period(strategy_id: str = "steady", n: int = 40, **more: Any) -> StrategyPerformance:
    made = performance([], WEEK, strategy_id=strategy_id)
    values = {"trades": n, "wins": n // 2, "losses": n - n // 2, "win_rate": 50.0, "profit_factor": 1.75, "sharpe": 1.5}
    return made.model_copy(update=values | {"return_pct": 5 * 7 / 30} | more)


@pytest.mark.parametrize(
    ("value", "points"), [(29.0, 0.0), (30.0, 0.0), (40.0, 6.25), (50.0, 12.5), (70.0, 25.0), (71.0, 25.0)]
)
def test_a_band_is_linear_between_its_ends(value: float, points: float) -> None:
    assert banded(value, *BANDS["win_rate"]) == points


@pytest.mark.parametrize(
    ("points", "letter"), [(100, "A"), (85, "A"), (84.9, "B"), (70, "B"), (55, "C"), (40, "D"), (39.9, "F"), (0, "F")]
)
def test_letters_follow_the_points(points: float, letter: str) -> None:
    assert grade(points) == letter


def test_the_middle_of_every_band_is_half_of_the_points() -> None:
    made = score(period())
    assert made is not None
    assert made.points == pytest.approx(50)
    assert made.parts == {name: pytest.approx(12.5) for name in BANDS}


CASES: dict[str, tuple[list[float], str | None]] = {
    "nothing": ([], None),
    "one win": ([500], "A"),
    "one loss": ([-500], "F"),
    "only wins": ([100] * 12, "A"),
    "only losses": ([-100] * 12, "F"),
    "neither": ([0.0] * 4, "F"),
}


@pytest.mark.parametrize("case", CASES)
def test_every_kind_of_period_has_a_score_or_says_that_there_is_none(case: str) -> None:
    profits, letter = CASES[case]
    made = score(performance(trades(profits), WEEK))
    assert (made.grade if made else None) == letter


@given(st.lists(st.decimals("-500", "500", places=2), max_size=28))
def test_a_score_stays_within_its_scale(profits: list[Decimal]) -> None:
    made = score(performance(trades([str(pnl) for pnl in profits]), WEEK))
    assert made is None or 0 <= made.points <= 100


@given(st.integers(0, 27), st.decimals("0.01", "400", places=2))
def test_a_better_trade_never_lowers_win_rate_profit_factor_or_return(n: int, more: Decimal) -> None:
    profits = [Decimal(-30) if k % 3 else Decimal(45) for k in range(28)]
    better = [pnl + more if k == n else pnl for k, pnl in enumerate(profits)]
    before, after = (score(performance(trades([str(p) for p in row]), WEEK)) for row in (profits, better))
    assert before is not None
    assert after is not None
    for part in ("win_rate", "profit_factor", "return_30d"):
        assert (after.parts[part] or 0) >= (before.parts[part] or 0)


def test_ranks_put_those_with_enough_trades_first() -> None:
    rows = ranked([period("few", n=29, sharpe=3.0), period("good", sharpe=3.0), period("bad", sharpe=0.0)])
    assert [row.performance.strategy_id for row in rows] == ["good", "bad", "few"]
    assert [row.enough for row in rows] == [True, True, False]


def test_different_periods_are_not_compared() -> None:
    later = period("b").model_copy(update={"period_end": WEEK.end + timedelta(days=1)})
    with pytest.raises(ValueError, match="same period"):
        ranked([period("a"), later])


RECOMMENDATIONS: dict[str, tuple[list[StrategyPerformance], dict[str, str], str, str]] = {
    "the own one has too few trades": ([period("own", n=29), period("b")], {}, "not_enough_data", "own"),
    "the own one is not there": ([period("b")], {}, "not_enough_data", "own"),
    "no other has enough": ([period("own"), period("b", n=29)], {}, "not_enough_data", "own"),
    "another one leads by far": ([period("own", win_rate=30.0), period("b", win_rate=70.0)], {}, "switch", "b"),
    "another one leads by little": ([period("own"), period("b", win_rate=55.0)], {}, "keep", "own"),
    "the own one leads": ([period("own", win_rate=70.0), period("b")], {}, "keep", "own"),
    "the better one does not fit": (
        [period("own", win_rate=30.0), period("b", win_rate=70.0), period("c", win_rate=31.0)],
        {"b": "its timeframes are not fed"},
        "keep",
        "own",
    ),
}


@pytest.mark.parametrize("case", RECOMMENDATIONS)
def test_recommendations(case: str) -> None:
    periods, unfit, verdict, strategy = RECOMMENDATIONS[case]
    made = recommend("own", periods, unfit)
    assert (made.verdict, made.strategy_id) == (verdict, strategy)
    assert made.reason
