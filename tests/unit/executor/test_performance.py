"""The figures that an account's models see are those that the API shows."""

from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.analytics.performance import Period
from libs.analytics.performance import performance as of_period
from libs.analytics.trades import Trade
from libs.schemas.account import ClosedTrade, PerformanceMetrics
from services.executor.domain.performance import performance, span
from tests.fakes.gateway_ports import Gateway
from tests.fakes.ledger_chain import T0
from tests.unit.analytics.samples import trade

BALANCE = D(10_000)  # what the gateway's accounts begin with
PROFITS = st.lists(st.decimals(-900, 900, places=4), max_size=40)
SAME = {
    "total_pnl": "total_pnl",
    "win_rate": "win_rate",
    "avg_win": "avg_win",
    "avg_loss": "avg_loss",
    "profit_factor": "profit_factor",
    "max_drawdown_pct": "max_drawdown",
    "sharpe": "sharpe_ratio",
    "sortino": "sortino_ratio",
    "trades": "trades",
}


def kept(row: Trade) -> ClosedTrade:
    """The trade as its account keeps it."""
    return ClosedTrade(
        symbol=row.symbol,
        side="long",
        quantity=D(1),
        entry_price=D(100),
        exit_price=D(100),
        margin=row.margin,
        pnl=row.pnl,
        fees=row.fees,
        funding=row.funding,
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        decision_id="dec-1",
        strategy_id=row.strategy_id,
    )


def shown(figures: PerformanceMetrics) -> dict[str, Any]:
    return {theirs: getattr(figures, ours) for theirs, ours in SAME.items()}


@settings(max_examples=60, deadline=None)
@given(PROFITS)
def test_the_same_trades_have_the_same_figures_on_both_sides(profits: list[D]) -> None:
    rows = [trade(n, str(pnl)) for n, pnl in enumerate(profits)]
    closed = [kept(row) for row in rows]
    period = span(closed, BALANCE) if closed else Period(T0, T0 + timedelta(days=1), BALANCE)
    asked = of_period(rows, period).model_dump()
    assert {name: asked[name] or 0 for name in SAME} == {
        name: value or 0 for name, value in shown(performance(closed, BALANCE)).items()
    }


async def test_the_api_shows_the_sharpe_ratio_that_the_models_of_the_account_see() -> None:
    gateway, length = Gateway(), timedelta(days=5)
    for n, pnl in enumerate([120, -80, 45, 60, -30, 90, 15, -10, 70, 25]):
        closed_at = T0 - length + (n + 1) * length / 10 - timedelta(minutes=1)
        opened_at = closed_at - timedelta(minutes=30)
        gateway.analytics.rows.append(trade(n, pnl, account_id="beta", opened_at=opened_at, closed_at=closed_at))
    answer = (await gateway.call("GET", "/api/v1/accounts/beta/performance?timeframe=5d")).json()["performance"]
    seen = performance([kept(row) for row in gateway.analytics.rows], BALANCE)
    assert seen.sharpe_ratio is not None
    assert (answer["sharpe"], answer["sortino"]) == pytest.approx((seen.sharpe_ratio, seen.sortino_ratio))
    assert (answer["max_drawdown_pct"], answer["trades"]) == (pytest.approx(seen.max_drawdown), seen.trades)


def test_trades_of_one_day_have_no_ratio_of_daily_returns() -> None:
    figures = performance([kept(trade(0, 50)), kept(trade(1, -20))], BALANCE)
    assert (figures.sharpe_ratio, figures.sortino_ratio, figures.profit_factor) == (None, None, 2.5)
