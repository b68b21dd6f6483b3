"""Performance of an account over the closed trades that are kept with it: the figures that its models see."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from libs.analytics import performance as figures
from libs.analytics.trades import ZERO, total
from libs.schemas.account import ClosedTrade, PerformanceMetrics


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


def span(trades: Sequence[ClosedTrade], initial_balance: Decimal) -> figures.Period:
    """The time in which these trades were made."""
    begun, ended = min(trade.opened_at for trade in trades), max(trade.closed_at for trade in trades)
    return figures.Period(begun, ended + timedelta(microseconds=1), initial_balance)
