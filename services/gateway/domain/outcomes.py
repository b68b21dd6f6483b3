"""How often decisions were right, what their confidence was worth, and the arms of experiments, as the API shows it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from libs.analytics.accuracy import Accuracy, Bin, JudgedEntries, JudgedEntry, accuracy, calibration
from libs.analytics.experiments import Against, ArmFigures, Difference, Report
from libs.analytics.power import in_words
from libs.schemas.experiment import Experiment

HorizonName = Literal["1h", "4h", "24h"]
Horizon = Annotated[HorizonName, Field(description="after how long a decision was right or not")]
CountedFrom = Field(description="the period's start, or later where it has too many decisions: the newest 20 000 count")
NAMES: tuple[HorizonName, ...] = ("1h", "4h", "24h")


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """`accounts` None means all. Judged from `since`, included, to `until`, not included; the rest must match where it
    is given."""

    accounts: frozenset[str] | None
    since: datetime
    until: datetime
    symbol: str | None = None
    strategy_id: str | None = None
    model: str | None = None


class AccuracyRow(BaseModel):
    """Of the entries whose return is known, the share with the right sign and its 95 % interval (Wilson) as fractions.

    `waiting` entries are younger than the horizon; of `unknown` ones the market did not tell.
    """

    horizon: Horizon
    entries: int
    right: int
    share: float | None
    low: float | None
    high: float | None
    waiting: int
    unknown: int


class DecisionAccuracy(BaseModel):
    """Over `buy` and `sell` of each asset, whether or not the rules let them pass. Right: a return above 0 before fees.

    Entries that overlap in time hang together: then the intervals are narrower than they should be.
    """

    period_start: datetime
    period_end: datetime
    counted_from: datetime = CountedFrom
    entries: int
    horizons: list[AccuracyRow]


class CalibrationRow(BaseModel):
    """Entries with a confidence from `low`, included, to `high` percent; its mean and the hit rate as fractions."""

    low: float
    high: float
    entries: int
    confidence: float
    hit_rate: float


class DecisionCalibration(BaseModel):
    """`brier` is the mean of (confidence − outcome)²: 0 is perfect, 0.25 what saying 50 % each time gives.

    Without entries whose confidence and return are known it is null, and the table empty.
    """

    period_start: datetime
    period_end: datetime
    counted_from: datetime = CountedFrom
    horizon: Horizon
    entries: int
    brier: float | None
    table: list[CalibrationRow]


class ArmShown(BaseModel):
    """Means over the decisions where a figure is known, returns in percent by horizon; null: nowhere."""

    arm: str
    decisions: int
    abstain_rate: float
    cost_usd: float | None
    cost_unknown: int
    latency_ms: float | None
    returns: dict[str, float | None]


class DifferenceShown(BaseModel):
    """Of a figure, arm less baseline: the mean over pairs and its 95 % interval (block bootstrap), null with too few.

    `more`: about so many more pairs would show a difference of this size; null where there is nothing to wait for.
    """

    figure: str
    pairs: int
    mean: float | None
    low: float | None
    high: float | None
    verdict: Literal["higher", "lower", "no difference shown", "not enough data"]
    more: int | None
    said: str


class ArmAgainst(BaseModel):
    arm: str
    baseline: str
    differences: list[DifferenceShown]


class ExperimentResults(BaseModel):
    """`against`: every arm against the first one, in the shadow against the decisions that counted (`live`). `markets`:
    every arm against holding nothing (`flat`) and against buying every asset that was judged (`buy and hold`)."""

    experiment: Experiment
    arms: list[ArmShown]
    against: list[ArmAgainst]
    markets: list[ArmAgainst]


def accurate(judged: JudgedEntries, period: tuple[datetime, datetime]) -> DecisionAccuracy:
    return DecisionAccuracy(
        period_start=period[0],
        period_end=period[1],
        counted_from=judged.cut_at or period[0],
        entries=len(judged.entries),
        horizons=[_row(name, judged.entries) for name in NAMES],
    )


def calibrated(judged: JudgedEntries, horizon: Horizon, period: tuple[datetime, datetime]) -> DecisionCalibration:
    pairs = [
        (entry.confidence, entry.returns[horizon] > 0)
        for entry in judged.entries
        if entry.confidence is not None and horizon in entry.returns
    ]
    told = calibration(pairs)
    return DecisionCalibration(
        period_start=period[0],
        period_end=period[1],
        counted_from=judged.cut_at or period[0],
        horizon=horizon,
        entries=len(pairs),
        brier=told.brier,
        table=[_bin(row) for row in told.table],
    )


def results(experiment: Experiment, told: Report) -> ExperimentResults:
    return ExperimentResults(
        experiment=experiment,
        arms=[_arm(arm) for arm in told.arms],
        against=[_against(one) for one in told.against],
        markets=[_against(one) for one in told.markets],
    )


def _row(name: HorizonName, entries: Sequence[JudgedEntry]) -> AccuracyRow:
    told: Accuracy = accuracy(entry.returns.get(name) for entry in entries)
    unknown = sum(name in entry.unknown for entry in entries)
    return AccuracyRow(
        horizon=name,
        entries=told.decisions,
        right=told.right,
        share=told.share,
        low=told.low,
        high=told.high,
        waiting=len(entries) - told.decisions - unknown,
        unknown=unknown,
    )


def _bin(row: Bin) -> CalibrationRow:
    return CalibrationRow(
        low=row.low, high=row.high, entries=row.decisions, confidence=row.confidence, hit_rate=row.hit_rate
    )


def _arm(arm: ArmFigures) -> ArmShown:
    return ArmShown(
        arm=arm.arm,
        decisions=arm.decisions,
        abstain_rate=arm.abstain_rate,
        cost_usd=arm.cost_usd,
        cost_unknown=arm.cost_unknown,
        latency_ms=arm.latency_ms,
        returns=dict(arm.returns),
    )


def _against(pair: Against) -> ArmAgainst:
    return ArmAgainst(arm=pair.arm, baseline=pair.baseline, differences=[_difference(one) for one in pair.differences])


def _difference(one: Difference) -> DifferenceShown:
    return DifferenceShown(
        figure=one.figure,
        pairs=one.pairs,
        mean=one.mean,
        low=one.low,
        high=one.high,
        verdict=one.verdict,
        more=one.more,
        said=in_words(one.verdict, one.more),
    )
