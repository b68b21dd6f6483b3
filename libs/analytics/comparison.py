"""Strategies side by side over one period, and whether another one should be recommended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from libs.analytics.scoring import Score, score
from libs.schemas.analytics import StrategyPerformance

MIN_TRADES = 30
MARGIN_POINTS = 10.0  # a smaller lead is no reason to switch


@dataclass(frozen=True, slots=True)
class Ranked:
    """`enough` says whether its trades suffice to be compared."""

    performance: StrategyPerformance
    score: Score | None
    enough: bool


@dataclass(frozen=True, slots=True)
class Recommendation:
    verdict: Literal["keep", "switch", "not_enough_data"]
    strategy_id: str
    reason: str
    ranked: tuple[Ranked, ...]


def ranked(periods: Sequence[StrategyPerformance]) -> tuple[Ranked, ...]:
    """Best first: those with enough trades by score, then the rest; ids decide between equals.

    Raises ValueError for periods that differ: what happened in different markets cannot be compared.
    """
    if len({(one.period_start, one.period_end) for one in periods}) > 1:
        raise ValueError("strategies are compared over one and the same period")
    rows = [Ranked(one, score(one), one.trades >= MIN_TRADES) for one in periods]
    return tuple(sorted(rows, key=lambda row: (not row.enough, -_points(row), row.performance.strategy_id or "")))


def recommend(
    current: str, periods: Sequence[StrategyPerformance], unfit: Mapping[str, str] | None = None
) -> Recommendation:
    """Whether the account should leave its strategy `current` for another one of `periods`.

    `unfit` names strategies that the account cannot take, and why. Only strategies with at least 30 trades in the
    period are compared, and one must lead by 10 points.
    """
    rows = ranked(periods)
    own = next((row for row in rows if row.performance.strategy_id == current), None)
    if own is None or not own.enough:
        trades = own.performance.trades if own else 0
        reason = f"not enough data: {current} has {trades} closed trades in the period, {MIN_TRADES} are needed"
        return Recommendation("not_enough_data", current, reason, rows)
    fit = [row for row in rows if row.enough and row.performance.strategy_id not in (unfit or {})]
    others = [row for row in fit if row.performance.strategy_id != current]
    if not others:
        reason = f"not enough data: no other strategy that fits the account has {MIN_TRADES} closed trades"
        return Recommendation("not_enough_data", current, reason, rows)
    best, lead = others[0], _points(others[0]) - _points(own)
    name = best.performance.strategy_id or ""
    said = f"{name} scores {_points(best):.0f}, {current} {_points(own):.0f}"
    if lead < MARGIN_POINTS:
        return Recommendation("keep", current, f"{said}: a lead of {MARGIN_POINTS:.0f} points is needed", rows)
    return Recommendation("switch", name, said, rows)


def _points(row: Ranked) -> float:
    return row.score.points if row.score else 0.0
