"""Performance of a strategy or an account over the trades that it closed in a period.

The figures that the API shows and those that an account carries to its models are of these functions.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from math import sqrt
from statistics import fmean, stdev
from typing import Protocol

from libs.analytics.trades import ZERO, Trade, in_order, total
from libs.schemas.analytics import StrategyPerformance

DAYS_A_YEAR = 365
CENTS = Decimal("1e-8")


class Realised(Protocol):
    """What was made, net of fees and funding, and when."""

    @property
    def pnl(self) -> Decimal: ...
    @property
    def closed_at(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Period:
    """From `start`, included, to `end`, not included; `opening_equity` is what was there at the start."""

    start: datetime
    end: datetime
    opening_equity: Decimal


def performance(
    trades: Sequence[Trade],
    period: Period,
    *,
    strategy_id: str | None = None,
    account_id: str | None = None,
    model_cost: float | None = None,
) -> StrategyPerformance:
    """Over trades closed in the period; others are left out. A trade with a profit of exactly 0 is no win and no loss.

    Ratios are null where they are undefined: the profit factor without losses, Sharpe and Sortino with fewer than two
    days, without spread or without a losing day, percentages of an opening equity that is not positive.
    """
    closed = in_order(trade for trade in trades if period.start <= trade.closed_at < period.end)
    profits = [trade.pnl for trade in closed]
    wins, losses = [p for p in profits if p > 0], [p for p in profits if p < 0]
    fall, fall_pct = max_drawdown(profits, period.opening_equity)
    returns = daily_returns(closed, period)
    hours = [(trade.closed_at - trade.opened_at).total_seconds() / 3_600 for trade in closed]
    return StrategyPerformance(
        strategy_id=strategy_id,
        account_id=account_id,
        period_start=period.start,
        period_end=period.end,
        opening_equity=period.opening_equity,
        trades=len(closed),
        wins=len(wins),
        losses=len(losses),
        win_rate=win_rate(profits),
        total_pnl=total(profits),
        return_pct=_percent(total(profits), period.opening_equity),
        avg_win=mean(wins),
        max_win=max(wins, default=None),
        avg_loss=mean(losses),
        max_loss=min(losses, default=None),
        max_drawdown=fall,
        max_drawdown_pct=fall_pct,
        sharpe=sharpe(returns),
        sortino=sortino(returns),
        profit_factor=profit_factor(profits),
        avg_trade_duration_hours=fmean(hours) if hours else None,
        volume=total(trade.volume for trade in closed),
        fees=total(trade.fees for trade in closed),
        funding=total(trade.funding for trade in closed),
        liquidations=sum(trade.liquidated for trade in closed),
        model_cost=model_cost,
    )


def win_rate(profits: Sequence[Decimal]) -> float:
    """In percent of all; 0 without any."""
    return 100 * sum(p > 0 for p in profits) / len(profits) if profits else 0.0


def profit_factor(profits: Sequence[Decimal]) -> float | None:
    """What the wins made over what the losses lost; null without a loss."""
    lost = total(p for p in profits if p < 0)
    return float(total(p for p in profits if p > 0) / -lost) if lost else None


def max_drawdown(profits: Sequence[Decimal], opening_equity: Decimal) -> tuple[Decimal, float]:
    """The deepest fall from a peak of the equity after each trade, in money and in percent of the peak it fell from."""
    levels = list(accumulate(profits, initial=opening_equity))
    falls = [(peak - now, peak) for peak, now in zip(accumulate(levels, max), levels, strict=True)]
    percents = [float(fall / peak) * 100 for fall, peak in falls if peak > 0]
    return max(fall for fall, _ in falls), max(percents, default=0.0)


def fall_percent(peak: Decimal, equity: Decimal) -> float:
    """How far an equity is below a peak, in percent of it; 0 above it, and of a peak of nothing."""
    return max(0.0, float((peak - equity) / peak) * 100) if peak > 0 else 0.0


def daily_returns(closed: Sequence[Realised], period: Period) -> list[float]:
    """Profit of each UTC day of the period over the equity at its beginning; days without a close count as 0.

    Empty where the equity is not positive at the beginning of a day: what was lost entirely has no return.
    """
    by_day: dict[date, Decimal] = defaultdict(lambda: ZERO)
    for trade in closed:
        by_day[trade.closed_at.date()] += trade.pnl
    equity, returns, day = period.opening_equity, [], period.start.date()
    last = (period.end - timedelta(microseconds=1)).date()
    while day <= last:
        if equity <= 0:
            return []
        returns.append(float(by_day[day] / equity))
        equity += by_day[day]
        day += timedelta(days=1)
    return returns


def sharpe(returns: Sequence[float]) -> float | None:
    """Mean over sample standard deviation of daily returns, × √365: markets that never close."""
    if len(returns) < 2 or (spread := stdev(returns)) <= _noise(returns):
        return None
    return fmean(returns) / spread * sqrt(DAYS_A_YEAR)


def sortino(returns: Sequence[float]) -> float | None:
    """Mean over the root mean square of the negative daily returns (target 0), × √365."""
    if len(returns) < 2:
        return None
    down = sqrt(fmean(min(value, 0.0) ** 2 for value in returns))
    return fmean(returns) / down * sqrt(DAYS_A_YEAR) if down > 0 else None


def _noise(returns: Sequence[float]) -> float:
    """Equal returns differ by the rounding of floats; a spread of that size is none."""
    return 1e-12 * max(abs(value) for value in returns)


def mean(values: Sequence[Decimal]) -> Decimal | None:
    """In money; null of none."""
    return (total(values) / len(values)).quantize(CENTS) if values else None


def _percent(part: Decimal, whole: Decimal) -> float | None:
    return float(part / whole) * 100 if whole > 0 else None
