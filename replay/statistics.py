"""What the equity by the hour and the trades of a run allow to say, beside holding nothing and holding everything.

The figures are those of libs/analytics: the same for live accounts and for replays.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from math import exp, log, sqrt
from statistics import fmean, stdev
from typing import Any

from libs.analytics import bootstrap, performance, power
from libs.analytics.accuracy import wilson
from libs.analytics.overfitting import deflated_sharpe
from libs.schemas.account import ClosedTrade

YEAR = timedelta(days=365)
HOURS_A_DAY = 24
HOURS_A_YEAR = 24 * performance.DAYS_A_YEAR


@dataclass(frozen=True, slots=True)
class HourlyWorth:
    """An account at an hour: equity in quote currency, and how many positions are open."""

    at: datetime
    equity: float
    positions: int


def statistics(points: Sequence[HourlyWorth], trades: Sequence[ClosedTrade], trials: int = 1) -> dict[str, Any]:
    """Null where a figure is undefined. Ratios are of daily returns, × √365; percentages of the opening equity.

    `trials` is how many runs were tried of which this is one: what the deflated Sharpe ratio is reckoned with.
    """
    return _figures(points, trades) | {
        "intervals": intervals(points, trades),
        "trials": trials,
        "deflated_sharpe": deflated_sharpe(returns_of([point.equity for point in points]), trials),
        "by_asset": _by(trades, "symbol"),
        "by_action": _by(trades, "side"),
        "by_reason": _by(trades, "reason"),
    }


def intervals(points: Sequence[HourlyWorth], trades: Sequence[ClosedTrade]) -> dict[str, list[float] | None]:
    """95 % intervals, null where there is too little. Of hourly returns in blocks of a day (block bootstrap); the win
    rate's is Wilson's, that of the expectancy of trades in order of their ends."""
    hours = returns_of([point.equity for point in points])
    grown = bootstrap.interval([log(1 + hour) for hour in hours if hour > -1], HOURS_A_DAY)
    sharpe = bootstrap.ratio_interval(hours, sqrt(HOURS_A_YEAR), HOURS_A_DAY)
    made = bootstrap.interval([float(trade.pnl) for trade in trades])
    wins = wilson(sum(trade.pnl > 0 for trade in trades), len(trades)) if trades else None
    total = _bounds(grown)
    return {
        "return_pct": total and [(exp(bound * len(hours)) - 1) * 100 for bound in total],
        "sharpe": _bounds(sharpe),
        "expectancy": _bounds(made),
        "win_rate_pct": [bound * 100 for bound in wins] if wins else None,
    }


def _bounds(seen: bootstrap.Interval | None) -> list[float] | None:
    return None if seen is None or seen.low is None or seen.high is None else [seen.low, seen.high]


def _figures(points: Sequence[HourlyWorth], trades: Sequence[ClosedTrade]) -> dict[str, Any]:
    first, last = points[0], points[-1]
    days = returns_of([point.equity for point in points[::HOURS_A_DAY]])
    profits = [trade.pnl for trade in trades]
    span, growth = last.at - first.at, last.equity / first.equity
    fall, hours = _deepest(points)
    yearly = growth ** (YEAR / span) - 1 if span >= timedelta(days=30) and growth > 0 else None
    traded = sum(float(t.quantity * (t.entry_price + t.exit_price)) for t in trades)
    return {
        "return_pct": (growth - 1) * 100,
        "cagr_pct": None if yearly is None else yearly * 100,
        "volatility_pct": stdev(days) * performance.DAYS_A_YEAR**0.5 * 100 if len(days) > 1 else None,
        "sharpe": performance.sharpe(days),
        "sortino": performance.sortino(days),
        "max_drawdown_pct": fall,
        "max_drawdown_hours": hours,
        "calmar": yearly * 100 / fall if yearly is not None and fall else None,
        "trades": len(trades),
        "win_rate_pct": performance.win_rate(profits),
        "profit_factor": performance.profit_factor(profits),
        "expectancy": float(sum(profits) / len(profits)) if profits else None,
        "exposure_pct": 100 * fmean(point.positions > 0 for point in points),
        "turnover": traded / fmean(point.equity for point in points),
        "liquidations": sum(trade.reason == "liquidation" for trade in trades),
    }


def against(points: Sequence[HourlyWorth], held: Sequence[float]) -> dict[str, Any]:
    """The hourly returns of an account less those of a baseline with these values at the same hours."""
    return difference(returns_of([point.equity for point in points]), returns_of(held))


def difference(own: Sequence[float], other: Sequence[float]) -> dict[str, Any]:
    """The mean difference of returns of the same hours in basis points an hour with its 95 % interval; `luck` is how
    often one this large comes about where there is none, `hours_more` about how many more hours it takes to tell."""
    differences = [(a - b) * 10_000 for a, b in zip(own, other, strict=True)]
    seen = bootstrap.interval(differences)
    if seen is None or seen.low is None or seen.high is None:
        named = ("mean_bps", "low_bps", "high_bps", "luck", "hours_more")
        return {"verdict": "too short to tell", **dict.fromkeys(named)}
    verdict = "better" if seen.low > 0 else "worse" if seen.high < 0 else "no difference shown"
    return {
        "verdict": verdict,
        "mean_bps": seen.mean,
        "low_bps": seen.low,
        "high_bps": seen.high,
        "luck": bootstrap.luck(differences),
        "hours_more": power.more_needed(seen),
    }


def equal_weight(prices: Mapping[str, Sequence[float]]) -> list[float]:
    """The worth of one unit that was put into all symbols in equal parts at the first hour and left there."""
    columns = [[price / column[0] for price in column] for column in prices.values() if column[0]]
    return [fmean(row) for row in zip(*columns, strict=True)]


def returns_of(values: Sequence[float]) -> list[float]:
    return [after / before - 1 for before, after in pairwise(values) if before > 0]


def _deepest(points: Sequence[HourlyWorth]) -> tuple[float, float]:
    """The deepest fall below a peak in percent of it, and the longest time below one in hours."""
    peak, since, deepest, longest = points[0].equity, points[0].at, 0.0, timedelta(0)
    for point in points:
        if point.equity >= peak:
            peak, since = point.equity, point.at
        deepest = max(deepest, (peak - point.equity) / peak * 100)
        longest = max(longest, point.at - since)
    return deepest, longest / timedelta(hours=1)


def _by(trades: Sequence[ClosedTrade], name: str) -> dict[str, dict[str, Any]]:
    found: dict[str, list[ClosedTrade]] = defaultdict(list)
    for trade in trades:
        found[str(getattr(trade, name))].append(trade)
    return {
        key: {
            "trades": len(each),
            "pnl": str(sum((t.pnl for t in each), start=each[0].pnl * 0)),
            "fees": str(sum((t.fees for t in each), start=each[0].fees * 0)),
            "funding": str(sum((t.funding for t in each), start=each[0].funding * 0)),
        }
        for key, each in sorted(found.items())
    }
