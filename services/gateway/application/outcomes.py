"""What became of decisions: how often they were right, what their confidence was worth, and which arm did better."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from libs.analytics.experiments import report
from libs.records.keys import ApiKey
from libs.schemas.decision import LIVE
from services.gateway.application.access import past_account
from services.gateway.application.experiments import seen_experiment
from services.gateway.domain.figures import span
from services.gateway.domain.outcomes import (
    DecisionAccuracy,
    DecisionCalibration,
    EntryFilter,
    ExperimentResults,
    Horizon,
    accurate,
    calibrated,
    results,
)
from services.gateway.ports import Deps


@dataclass(frozen=True, slots=True)
class EntriesAsked:
    """Which entries a figure is about; None stands for all of it."""

    timeframe: str
    account_id: str | None = None
    symbol: str | None = None
    strategy_id: str | None = None
    model: str | None = None


async def accuracy_of(deps: Deps, key: ApiKey, asked: EntriesAsked) -> DecisionAccuracy:
    """After each horizon, on one account or on all that the key sees."""
    wanted, period = await _wanted(deps, key, asked)
    return accurate(await deps.outcomes.entries(wanted), period)


async def calibration_of(deps: Deps, key: ApiKey, asked: EntriesAsked, horizon: Horizon) -> DecisionCalibration:
    """After one horizon, on one account or on all that the key sees."""
    wanted, period = await _wanted(deps, key, asked)
    return calibrated(await deps.outcomes.entries(wanted), horizon, period)


async def results_of(deps: Deps, key: ApiKey, name: str) -> ExperimentResults:
    """Its arms side by side, as far as their outcomes are known."""
    experiment = await seen_experiment(deps, key, name)
    names = [arm.name for arm in experiment.arms]
    arms = [LIVE.name, *names] if experiment.mode == "shadow" else names
    decided = await deps.outcomes.of_arms(experiment)
    return results(experiment, report(decided, arms, {}, paired=experiment.mode == "shadow"))


async def _wanted(deps: Deps, key: ApiKey, asked: EntriesAsked) -> tuple[EntryFilter, tuple[datetime, datetime]]:
    if asked.account_id is not None:
        await past_account(deps, key, asked.account_id)
    accounts = key.accounts if asked.account_id is None else frozenset({asked.account_id})
    since, until = period = span(asked.timeframe, deps.clock.now())
    end = until + timedelta(microseconds=1)
    return EntryFilter(accounts, since, end, asked.symbol, asked.strategy_id, asked.model), period
