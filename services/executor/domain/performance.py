"""Performance of an account over the closed trades that are kept with it."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import accumulate
from math import sqrt
from statistics import fmean, stdev

from libs.schemas.account import ClosedTrade, PerformanceMetrics

ZERO = Decimal(0)


def performance(trades: Sequence[ClosedTrade], initial_balance: Decimal) -> PerformanceMetrics:
    """Money in quote currency, `win_rate` and `max_drawdown` in percent; the ratios are per trade, not annualised."""
    profits = [trade.pnl for trade in trades]
    wins = [p for p in profits if p > 0]
    losses = [p for p in profits if p < 0]
    returns = [float(t.pnl / t.margin) for t in trades if t.margin > 0]
    return PerformanceMetrics(
        total_pnl=sum(profits, ZERO),
        win_rate=100 * len(wins) / len(profits) if profits else 0.0,
        avg_win=_mean(wins),
        avg_loss=_mean(losses),
        profit_factor=float(sum(wins, ZERO) / -sum(losses, ZERO)) if losses else None,
        max_drawdown=max_drawdown(profits, initial_balance),
        sharpe_ratio=_sharpe(returns),
        sortino_ratio=_sortino(returns),
        trades=len(trades),
    )


def max_drawdown(profits: Sequence[Decimal], initial_balance: Decimal) -> float:
    """The deepest fall from a peak of the balance after each trade, in percent of that peak."""
    balances = list(accumulate(profits, initial=initial_balance))
    peaks = accumulate(balances, max)
    return max(float((peak - now) / peak) for peak, now in zip(peaks, balances, strict=True)) * 100


def _mean(values: Sequence[Decimal]) -> Decimal:
    return (sum(values, ZERO) / len(values)).quantize(Decimal("1e-8")) if values else ZERO


def _sharpe(returns: Sequence[float]) -> float | None:
    if len(returns) < 2 or not (spread := stdev(returns)):
        return None
    return fmean(returns) / spread


def _sortino(returns: Sequence[float]) -> float | None:
    """Mean return over the root mean square of the negative ones; null without any."""
    down = sqrt(fmean([min(r, 0.0) ** 2 for r in returns])) if len(returns) > 1 else 0.0
    return fmean(returns) / down if down else None
