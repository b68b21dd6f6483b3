"""Performance of accounts and strategies as the API shows it."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from libs.analytics.comparison import MIN_TRADES, Ranked, Recommendation
from libs.analytics.scoring import Grade, score
from libs.schemas.analytics import StrategyPerformance
from libs.schemas.base import StrategyId
from services.gateway.domain.configuring import AccountRef, Body
from services.gateway.domain.problems import invalid

Timeframe = Annotated[
    str, StringConstraints(pattern=r"^[1-9]\d{0,3}[hd]$"), Field(description="the period until now, such as 24h or 7d")
]
DEFAULT = "7d"
MAX_PERIOD = timedelta(days=366)
_TIMEFRAME = re.compile(r"([1-9]\d{0,3})([hd])")


class ScoreBody(BaseModel):
    """0–100 from four parts of 25; a part is null where it is undefined. docs/strategies.md has the bands."""

    points: float
    grade: Grade
    parts: dict[str, float | None]


class Scored(BaseModel):
    """`score` is null without trades; `enough_trades` says whether it may be compared."""

    performance: StrategyPerformance
    score: ScoreBody | None
    enough_trades: bool


class CompareBody(Body):
    """Without accounts over all that the key sees."""

    strategy_ids: Annotated[tuple[StrategyId, ...], Field(min_length=2, max_length=20)]
    account_ids: Annotated[tuple[AccountRef, ...], Field(min_length=1, max_length=50)] | None = None
    timeframe: Timeframe = DEFAULT


class Comparison(BaseModel):
    """Best first; strategies with too few trades at the end, unranked."""

    min_trades: int = MIN_TRADES
    items: list[Scored]


class Recommended(BaseModel):
    account_id: str
    verdict: Literal["keep", "switch", "not_enough_data"]
    strategy_id: str = Field(description="the one to have: the present one unless the verdict is `switch`")
    reason: str
    unfit: dict[str, str] = Field(description="strategies that the account cannot take, and why")
    compared: list[Scored]


def span(timeframe: str, now: datetime) -> tuple[datetime, datetime]:
    """The period that ends now. Refuses one longer than a year."""
    found = _TIMEFRAME.fullmatch(timeframe)
    length = timedelta(**{"hours" if found[2] == "h" else "days": int(found[1])}) if found else MAX_PERIOD * 2
    if length > MAX_PERIOD:
        raise invalid("query.timeframe", "ask for at most 366d, such as 24h or 7d")
    return now - length, now


def scored(performance: StrategyPerformance) -> Scored:
    made = score(performance)
    shown = ScoreBody(points=made.points, grade=made.grade, parts=made.parts) if made else None
    return Scored(performance=performance, score=shown, enough_trades=performance.trades >= MIN_TRADES)


def compared(rows: tuple[Ranked, ...]) -> list[Scored]:
    return [scored(row.performance) for row in rows]


def recommended(account_id: str, made: Recommendation, unfit: dict[str, str]) -> Recommended:
    return Recommended(
        account_id=account_id,
        verdict=made.verdict,
        strategy_id=made.strategy_id,
        reason=made.reason,
        unfit=unfit,
        compared=compared(made.ranked),
    )
