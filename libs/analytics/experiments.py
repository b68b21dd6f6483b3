"""Arms of an experiment side by side: what differs, how surely, and from how many pairs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean
from typing import Literal

from libs.analytics.bootstrap import Interval, interval
from libs.analytics.forward import HORIZONS, Closes, Leg, decision_return
from libs.analytics.power import more_needed

BUCKET = timedelta(hours=1)
Verdict = Literal["higher", "lower", "no difference shown", "not enough data"]


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision of an arm. `cost_usd` None is unknown; `assets` were asked about, `legs` are entries of it.

    `market` is what buying every asset with a known price would have been.
    """

    arm: str
    context_id: str
    at: datetime
    abstained: bool
    cost_usd: float | None
    latency_ms: float | None
    assets: int
    legs: tuple[Leg, ...] = ()
    market: tuple[Leg, ...] = ()


@dataclass(frozen=True, slots=True)
class ArmFigures:
    """Means over the decisions where a figure is known; returns in percent and by horizon. None: nowhere."""

    arm: str
    decisions: int
    abstain_rate: float
    cost_usd: float | None
    cost_unknown: int
    latency_ms: float | None
    returns: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Difference:
    """Of a figure between an arm and the baseline, over pairs; `verdict` says what the 95 % interval shows.

    `more`: it is too early, about so many more pairs would show a difference of this size. None: nothing to wait for.
    """

    figure: str
    pairs: int
    mean: float | None
    low: float | None
    high: float | None
    verdict: Verdict
    more: int | None = None


@dataclass(frozen=True, slots=True)
class Against:
    arm: str
    baseline: str
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """`markets`: every arm against what needs no model: to hold nothing (`flat`), and to buy all and hold."""

    arms: tuple[ArmFigures, ...]
    against: tuple[Against, ...]
    markets: tuple[Against, ...] = ()


Figure = Callable[[Decided], float | None]


def report(decided: Sequence[Decided], arms: Sequence[str], closes: Mapping[str, Closes], *, paired: bool) -> Report:
    """All arms, and each one against the first of `arms`.

    `paired`: the arms decided the same contexts, which are the pairs. Otherwise pairs are hours of market time in which
    both arms decided, with the mean of each: a common market is taken out, different accounts are not.
    """
    rows = {arm: sorted((one for one in decided if one.arm == arm), key=lambda one: one.at) for arm in arms}
    figures = _figures(closes)
    baseline = arms[0]
    key = _context if paired else _hour
    compared = tuple(
        Against(
            arm, baseline, tuple(_difference(name, figures[name], rows[arm], rows[baseline], key) for name in figures)
        )
        for arm in arms[1:]
    )
    markets = tuple(_against_market(arm, name, rows[arm], closes) for arm in arms for name in MARKETS)
    return Report(tuple(_of_arm(arm, rows[arm], figures) for arm in arms), compared, markets)


def _figures(closes: Mapping[str, Closes]) -> dict[str, Figure]:
    return {
        **{f"return_{name}": _forward(horizon, closes) for name, horizon in HORIZONS.items()},
        "cost_usd": lambda one: one.cost_usd,
        "latency_ms": lambda one: one.latency_ms,
        "abstain_rate": lambda one: float(one.abstained),
    }


def _forward(horizon: timedelta, closes: Mapping[str, Closes]) -> Figure:
    def value(one: Decided) -> float | None:
        return None if one.abstained else decision_return(one.legs, one.assets, one.at, horizon, closes)

    return value


def _flat(horizon: timedelta, closes: Mapping[str, Closes]) -> Figure:
    return lambda one: 0.0


def _held(horizon: timedelta, closes: Mapping[str, Closes]) -> Figure:
    """Every asset that was judged is bought; unknown where there was no price of any."""

    def value(one: Decided) -> float | None:
        return decision_return(one.market, len(one.market), one.at, horizon, closes) if one.market else None

    return value


MARKETS: Mapping[str, Callable[[timedelta, Mapping[str, Closes]], Figure]] = {"flat": _flat, "buy and hold": _held}


def _against_market(arm: str, baseline: str, rows: Sequence[Decided], closes: Mapping[str, Closes]) -> Against:
    """Each decision beside the market at the same moment: pairs by themselves."""
    differences = []
    for name, horizon in HORIZONS.items():
        own, market = _forward(horizon, closes), MARKETS[baseline](horizon, closes)
        pairs = [(own(one), market(one), one.at) for one in rows]
        values = [(ours - theirs, at) for ours, theirs, at in pairs if ours is not None and theirs is not None]
        differences.append(_judged(f"return_{name}", [value for value, _ in values], [at for _, at in values]))
    return Against(arm, baseline, tuple(differences))


def _of_arm(arm: str, rows: Sequence[Decided], figures: Mapping[str, Figure]) -> ArmFigures:
    means = {name: _mean(figure(row) for row in rows) for name, figure in figures.items()}
    return ArmFigures(
        arm=arm,
        decisions=len(rows),
        abstain_rate=means["abstain_rate"] or 0.0,
        cost_usd=means["cost_usd"],
        cost_unknown=sum(row.cost_usd is None for row in rows),
        latency_ms=means["latency_ms"],
        returns={name: means[f"return_{name}"] for name in HORIZONS},
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _context(one: Decided) -> str:
    return one.context_id


def _hour(one: Decided) -> str:
    return str(int(one.at.timestamp() // BUCKET.total_seconds()))


def _difference(
    name: str, figure: Figure, rows: Sequence[Decided], baseline: Sequence[Decided], key: Callable[[Decided], str]
) -> Difference:
    ours, theirs = _by(rows, figure, key), _by(baseline, figure, key)
    both = [unit for unit in ours if unit in theirs]
    times = sorted((min(ours[unit][1], theirs[unit][1]), unit) for unit in both)
    values = [ours[unit][0] - theirs[unit][0] for _, unit in times]
    return _judged(name, values, [at for at, _ in times])


def _judged(name: str, values: Sequence[float], times: Sequence[datetime]) -> Difference:
    """Of values in order of time."""
    overlap = _overlap(name, times)
    seen = interval(values, overlap)
    if seen is None:
        return Difference(name, 0, None, None, None, "not enough data")
    return Difference(name, seen.values, seen.mean, seen.low, seen.high, _verdict(seen), more_needed(seen, overlap))


def _by(rows: Sequence[Decided], figure: Figure, key: Callable[[Decided], str]) -> dict[str, tuple[float, datetime]]:
    """The mean of each unit, and when it began."""
    found: dict[str, list[tuple[float, datetime]]] = {}
    for row in rows:
        if (value := figure(row)) is not None:
            found.setdefault(key(row), []).append((value, row.at))
    return {unit: (fmean(value for value, _ in got), min(at for _, at in got)) for unit, got in found.items()}


def _overlap(name: str, times: Sequence[datetime]) -> float:
    """How many pairs in a row see the same hours of the market: returns over a day overlap, costs do not."""
    horizon = HORIZONS.get(name.removeprefix("return_"))
    if horizon is None or len(times) < 2:
        return 1.0
    span = (times[-1] - times[0]).total_seconds()
    return len(times) * horizon.total_seconds() / span if span > 0 else float(len(times))


def _verdict(found: Interval) -> Verdict:
    if found.low is None or found.high is None:
        return "not enough data"
    if found.low > 0:
        return "higher"
    return "lower" if found.high < 0 else "no difference shown"
