"""One figure for a strategy's period: 0–100 from four parts of 25, and a letter. The bands are in docs/strategies.md.

win rate       25 at 70 % and above, 0 at 30 % and below, linear between
profit factor  25 at 2.5 and above, 0 at 1 and below, linear between; without losses 25
Sharpe         25 at 3 and above, 0 at 0 and below, linear between
return         25 at +10 % of the opening equity in 30 days and above, 0 at 0 and below, linear between

A part that is undefined (no spread, no equity) is left out and the rest scaled to 100. Without trades: no score.
"""

from dataclasses import dataclass
from typing import Literal

from libs.schemas.analytics import StrategyPerformance

Grade = Literal["A", "B", "C", "D", "F"]
PART = 25.0
GRADES: tuple[tuple[float, Grade], ...] = ((85, "A"), (70, "B"), (55, "C"), (40, "D"))
MONTH_S = 30 * 86_400.0
BANDS: dict[str, tuple[float, float]] = {
    "win_rate": (30, 70),
    "profit_factor": (1, 2.5),
    "sharpe": (0, 3),
    "return_30d": (0, 10),
}


@dataclass(frozen=True, slots=True)
class Score:
    """`points` 0–100; `parts` 0–25 each, None where the part is undefined."""

    points: float
    grade: Grade
    parts: dict[str, float | None]


def score(period: StrategyPerformance) -> Score | None:
    """None for a period without trades."""
    if period.trades == 0:
        return None
    figures: dict[str, float | None] = {
        "win_rate": period.win_rate,
        "profit_factor": BANDS["profit_factor"][1] if _never_lost(period) else period.profit_factor,
        "sharpe": period.sharpe,
        "return_30d": return_30d(period),
    }
    parts = {name: None if value is None else banded(value, *BANDS[name]) for name, value in figures.items()}
    known = [value for value in parts.values() if value is not None]
    points = sum(known) / len(known) / PART * 100
    return Score(points, grade(points), parts)


def banded(value: float, low: float, high: float) -> float:
    """0 at `low` and below, 25 at `high` and above, linear between."""
    return PART * min(1.0, max(0.0, (value - low) / (high - low)))


def grade(points: float) -> Grade:
    return next((letter for least, letter in GRADES if points >= least), "F")


def return_30d(period: StrategyPerformance) -> float | None:
    """The period's return in percent, scaled to 30 days without compounding."""
    seconds = (period.period_end - period.period_start).total_seconds()
    return None if period.return_pct is None or seconds <= 0 else period.return_pct * MONTH_S / seconds


def _never_lost(period: StrategyPerformance) -> bool:
    return period.losses == 0 and period.wins > 0
