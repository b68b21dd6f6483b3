"""Decisions of a period in figures: how they ended, how long they took, what they cost."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, Field

from libs.analytics.usage import percentile

ACTED_ON = ("accepted", "partial", "hold", "evaluated")
JUDGED = (*ACTED_ON, "denied")


@dataclass(frozen=True, slots=True)
class Ended:
    """Decisions with one status and reason."""

    status: str
    reason: str | None
    decisions: int
    cost_usd: float
    cost_unknown: int


@dataclass(frozen=True, slots=True)
class Counted:
    """`times` are milliseconds of context, model and engine of the newest decisions, `answered` requests that another
    decision answered, by why (`cached`, `joined`), `requests` all of the period."""

    ended: Sequence[Ended]
    times: Sequence[tuple[float | None, float | None, float | None]]
    requests: int
    answered: dict[str, int]


class Percentiles(BaseModel):
    """Milliseconds of wall time; null where no decision says."""

    p50: float | None
    p95: float | None
    p99: float | None


class LatencyFigures(BaseModel):
    context: Percentiles
    model: Percentiles
    engine: Percentiles
    of: int = Field(description="the newest decisions of the period, which these are about")


class CacheFigures(BaseModel):
    """`hit_rate` is the share of requests that a decision answered which was made before, null without requests."""

    requests: int
    cached: int
    joined: int
    hit_rate: float | None


class CostFigures(BaseModel):
    """`usd` sums what is known; decisions of unknown cost are counted beside it."""

    usd: float
    unknown: int


class DecisionMetrics(BaseModel):
    """`validation_success` is the share of judged proposals that were not denied as a whole, null without any."""

    period_start: datetime
    period_end: datetime
    account_id: str | None
    decisions: int
    by_status: dict[str, int]
    by_reason: dict[str, int]
    validation_success: float | None
    latency_ms: LatencyFigures
    cache: CacheFigures
    cost: CostFigures


def metrics(counted: Counted, period: tuple[datetime, datetime], account_id: str | None) -> DecisionMetrics:
    """The figures of what was counted."""
    judged = sum(one.decisions for one in counted.ended if one.status in JUDGED)
    passed = sum(one.decisions for one in counted.ended if one.status in ACTED_ON)
    columns = [sorted(value for row in counted.times if (value := row[n]) is not None) for n in range(3)]
    context, model, engine = (_percentiles(column) for column in columns)
    return DecisionMetrics(
        period_start=period[0],
        period_end=period[1],
        account_id=account_id,
        decisions=sum(one.decisions for one in counted.ended),
        by_status=_summed((one.status, one.decisions) for one in counted.ended),
        by_reason=_summed((one.reason, one.decisions) for one in counted.ended if one.reason),
        validation_success=passed / judged if judged else None,
        latency_ms=LatencyFigures(context=context, model=model, engine=engine, of=len(counted.times)),
        cache=_cache(counted),
        cost=CostFigures(
            usd=sum(one.cost_usd for one in counted.ended), unknown=sum(one.cost_unknown for one in counted.ended)
        ),
    )


def _percentiles(ordered: Sequence[float]) -> Percentiles:
    return Percentiles(p50=percentile(ordered, 50), p95=percentile(ordered, 95), p99=percentile(ordered, 99))


def _cache(counted: Counted) -> CacheFigures:
    cached, joined = counted.answered.get("cached", 0), counted.answered.get("joined", 0)
    rate = cached / counted.requests if counted.requests else None
    return CacheFigures(requests=counted.requests, cached=cached, joined=joined, hit_rate=rate)


def _summed(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for name, count in pairs:
        sums[name] = sums.get(name, 0) + count
    return dict(sorted(sums.items()))
