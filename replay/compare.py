"""Runs side by side, each account beside that of the first run: over the hours that both have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import stdev
from typing import Any

from libs.analytics.overfitting import backtest_overfitting, deflated_sharpe
from libs.analytics.performance import DAYS_A_YEAR, sharpe
from replay.report.folder import HourlyEquity, Row, RunRead
from replay.statistics import difference, returns_of


class NotComparable(Exception):
    """Runs that have no hour in common."""


@dataclass(frozen=True, slots=True)
class ComparedAccount:
    """`beside` says how its hourly returns differ from the first one's; None for that one itself."""

    name: str
    row: Row
    times: Sequence[datetime]
    returns: Sequence[float]
    beside: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class RunComparison:
    """`overfitting`: the probability that the best of them is no better than the middle one elsewhere in time. `best`
    and its deflated Sharpe ratio, with as many trials as there are runs."""

    accounts: Sequence[ComparedAccount]
    overfitting: float | None
    best: str
    deflated: float | None


def compare(runs: Sequence[RunRead]) -> RunComparison:
    """Of at least two runs; raises NotComparable."""
    named = [
        (f"{run.name}: {row['account_id']}", row, run.equity[row["account_id"]]) for run in runs for row in run.accounts
    ]
    times = sorted(set.intersection(*(set(equity.times) for _, _, equity in named)))
    if len(times) < 2:
        raise NotComparable(f"{', '.join(run.name for run in runs)} have no hours in common")
    columns = [returns_of(_at(equity, times)) for _, _, equity in named]
    accounts = [
        ComparedAccount(name, row, times, column, difference(column, columns[0]) if n else None)
        for n, ((name, row, _), column) in enumerate(zip(named, columns, strict=True))
    ]
    return _judged(accounts)


def _judged(accounts: Sequence[ComparedAccount]) -> RunComparison:
    ratios = [(sharpe(account.returns) or 0.0) / DAYS_A_YEAR**0.5 for account in accounts]  # by the hour
    best = ratios.index(max(ratios))
    return RunComparison(
        accounts=accounts,
        overfitting=backtest_overfitting([account.returns for account in accounts]),
        best=accounts[best].name,
        deflated=deflated_sharpe(accounts[best].returns, len(accounts), stdev(ratios)),
    )


def _at(equity: HourlyEquity, times: Sequence[datetime]) -> list[float]:
    known = dict(zip(equity.times, equity.values, strict=True))
    return [known[at] for at in times]
