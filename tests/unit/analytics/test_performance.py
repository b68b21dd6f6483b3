"""Performance against calculations made another way; periods with one kind of trade are ordinary."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.analytics.performance import Period, max_drawdown, performance
from tests.unit.analytics.samples import T0, WEEK, trade, trades

PROFITS = st.lists(st.decimals("-900", "900", places=2), max_size=28)

CASES: dict[str, tuple[list[float], dict[str, Any]]] = {
    "nothing": (
        [],
        {"trades": 0, "win_rate": 0.0, "total_pnl": 0, "profit_factor": None, "sharpe": None, "avg_win": None},
    ),
    "one win": (
        [100],
        {"trades": 1, "wins": 1, "win_rate": 100.0, "profit_factor": None, "return_pct": 1.0, "sortino": None},
    ),
    "one loss": (
        [-100],
        {"losses": 1, "win_rate": 0.0, "profit_factor": 0.0, "max_drawdown": 100, "max_drawdown_pct": 1.0},
    ),
    "only wins": ([10, 20, 30], {"win_rate": 100.0, "avg_win": 20, "max_win": 30, "max_loss": None, "max_drawdown": 0}),
    "only losses": (
        [-10, -20, -30],
        {"win_rate": 0.0, "profit_factor": 0.0, "avg_loss": -20, "max_loss": -30, "max_win": None},
    ),
    "neither": ([0, 0], {"trades": 2, "wins": 0, "losses": 0, "win_rate": 0.0, "profit_factor": None, "sharpe": None}),
    "both": ([100, -50, 0, 50], {"win_rate": 50.0, "profit_factor": 3.0, "total_pnl": 100, "max_drawdown": 50}),
}


@pytest.mark.parametrize("case", CASES)
def test_every_kind_of_period_has_figures(case: str) -> None:
    profits, expected = CASES[case]
    found = performance(trades(profits), WEEK, strategy_id="steady")
    assert {name: getattr(found, name) for name in expected} == expected
    assert found.strategy_id == "steady"


def test_costs_and_times_are_added_up() -> None:
    rows = [trade(0, 5), trade(1, -5, liquidated=True, volume=Decimal(500))]
    found = performance(rows, WEEK, model_cost=0.25)
    assert (found.fees, found.funding, found.volume) == (Decimal(2), Decimal(-1), Decimal(2_500))
    assert found.liquidations == 1
    assert (found.avg_trade_duration_hours, found.model_cost) == (2.0, 0.25)


def test_a_period_holds_its_start_and_not_its_end() -> None:
    rows = [
        trade(0, 1, closed_at=WEEK.start),
        trade(1, 2, closed_at=WEEK.end),
        trade(2, 4, closed_at=T0 - timedelta(1)),
    ]
    assert performance(rows, WEEK).total_pnl == 1


def test_an_account_that_lost_everything_has_no_ratios() -> None:
    found = performance(trades([-10_100, 5, 5, 5, 5]), WEEK)
    assert (found.sharpe, found.sortino, found.max_drawdown_pct) == (None, None, 101.0)
    empty = performance(trades([5]), Period(WEEK.start, WEEK.end, Decimal(0)))
    assert (empty.return_pct, empty.sharpe) == (None, None)


@given(PROFITS)
def test_the_figures_are_those_of_numpy(profits: list[Decimal]) -> None:
    rows = [trade(n, str(pnl)) for n, pnl in enumerate(profits)]
    found = performance(list(reversed(rows)), Period(WEEK.start, WEEK.end, Decimal(100_000)))
    values = np.array([float(pnl) for pnl in profits])
    assert float(found.total_pnl) == pytest.approx(values.sum(), abs=1e-6)
    assert found.win_rate == pytest.approx(100 * (values > 0).mean() if len(values) else 0)
    curve = 100_000 + np.concatenate([[0.0], values.cumsum()])
    peaks = np.maximum.accumulate(curve)
    assert float(found.max_drawdown) == pytest.approx((peaks - curve).max(), abs=1e-6)
    assert found.max_drawdown_pct == pytest.approx(((peaks - curve) / peaks).max() * 100, abs=1e-9)
    days = np.zeros(7)
    np.add.at(days, [(row.closed_at - T0).days for row in rows], values)
    returns = days / (100_000 + np.concatenate([[0.0], days.cumsum()[:-1]]))
    if returns.std(ddof=1) > 1e-12:
        assert found.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1) * np.sqrt(365), rel=1e-9)
    down = np.sqrt((np.minimum(returns, 0) ** 2).mean())
    if down > 0:
        assert found.sortino == pytest.approx(returns.mean() / down * np.sqrt(365), rel=1e-9)
    else:
        assert found.sortino is None


@given(PROFITS)
def test_the_order_in_which_trades_are_given_does_not_matter(profits: list[Decimal]) -> None:
    rows = [trade(n, str(pnl)) for n, pnl in enumerate(profits)]
    assert performance(rows, WEEK) == performance(rows[::-1], WEEK)


def test_a_fall_is_measured_from_its_own_peak() -> None:
    fall, percent = max_drawdown([Decimal(1_000), Decimal(-550), Decimal(10_000), Decimal(-600)], Decimal(10_000))
    assert fall == 600
    assert percent == pytest.approx(5.0)  # 550 of 11 000, deeper than 600 of 20 450
