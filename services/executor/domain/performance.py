"""Performance of an account over the closed trades that are kept with it: the figures that its models see."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import accumulate
from typing import Any

from libs.analytics import performance as figures
from libs.analytics.trades import ZERO, total
from libs.schemas.account import ClosedTrade, PerformanceMetrics

STEP_PCT = 0.1  # of the highest wallet: what is written while a position is open, for each step is a write


def performance(trades: Sequence[ClosedTrade], initial_balance: Decimal) -> PerformanceMetrics:
    """Money in quote currency, `win_rate` and `max_drawdown` in percent.

    The same functions as those of the API (libs/analytics/performance.py): asked for the same days they show the same.
    The ratios are of daily returns, × √365, over the UTC days from the first trade's opening to the last one's close;
    null while that is one day only.
    """
    profits = [trade.pnl for trade in trades]
    returns = figures.daily_returns(trades, span(trades, initial_balance)) if trades else []
    return PerformanceMetrics(
        total_pnl=total(profits),
        win_rate=figures.win_rate(profits),
        avg_win=figures.mean([p for p in profits if p > 0]) or ZERO,
        avg_loss=figures.mean([p for p in profits if p < 0]) or ZERO,
        profit_factor=figures.profit_factor(profits),
        max_drawdown=figures.max_drawdown(profits, initial_balance)[1],
        sharpe_ratio=figures.sharpe(returns),
        sortino_ratio=figures.sortino(returns),
        trades=len(trades),
    )


def running(
    before: PerformanceMetrics, kept: Sequence[ClosedTrade], made: Decimal, initial_balance: Decimal
) -> dict[str, Any]:
    """The figures that go on when old trades are dropped, after one more that `made` so much. `kept` are the others."""
    closed, peak = before.closed_pnl, before.peak_pnl
    if closed is None or peak is None:  # an account of an older version: as far as its trades are kept
        levels = list(accumulate((each.pnl for each in kept), initial=ZERO))
        closed, peak = levels[-1], max(levels)
    closed += made
    peak = max(peak, closed)
    highest = initial_balance + peak
    fall = figures.fall_percent(highest, initial_balance + closed)
    return {"closed_pnl": closed, "peak_pnl": peak, "max_drawdown": max(before.max_drawdown, fall)}


def marked(before: PerformanceMetrics, peak: Decimal, equity: Decimal) -> PerformanceMetrics:
    """The performance of an account whose open positions count at their marks; the same one until it is deeper below
    its highest wallet than was written, by a step at least."""
    fall = figures.fall_percent(peak, equity)
    return before if fall < before.max_drawdown + STEP_PCT else before.model_copy(update={"max_drawdown": fall})


def span(trades: Sequence[ClosedTrade], initial_balance: Decimal) -> figures.Period:
    """The time in which these trades were made."""
    begun, ended = min(trade.opened_at for trade in trades), max(trade.closed_at for trade in trades)
    return figures.Period(begun, ended + timedelta(microseconds=1), initial_balance)
