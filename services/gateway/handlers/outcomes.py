"""Routes of outcomes: accuracy and calibration of decisions, results of experiments."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from libs.records.keys import ApiKey, Scope
from libs.schemas.base import Name, StrategyId, Symbol
from services.gateway.application import outcomes as application
from services.gateway.application.outcomes import EntriesAsked
from services.gateway.domain.configuring import AccountRef
from services.gateway.domain.figures import Timeframe
from services.gateway.domain.outcomes import DecisionAccuracy, DecisionCalibration, ExperimentResults, Horizon
from services.gateway.handlers.auth import key_with
from services.gateway.handlers.errors import PROBLEMS
from services.gateway.handlers.parameters import ExperimentPath
from services.gateway.ports import Deps


def asked(
    timeframe: Annotated[Timeframe, Query()] = "30d",
    account_id: Annotated[AccountRef | None, Query(description="of this account alone")] = None,
    symbol: Annotated[Symbol | None, Query()] = None,
    strategy_id: Annotated[StrategyId | None, Query()] = None,
    model: Annotated[Name | None, Query()] = None,
) -> EntriesAsked:
    return EntriesAsked(timeframe, account_id, symbol, strategy_id, model)


def routes(deps: Deps, base: str) -> APIRouter:
    """To be included before the routes of decisions: they name a decision where `accuracy` stands here."""
    router = APIRouter(prefix=base, responses=PROBLEMS)
    may_read = Depends(key_with(Scope.READ))

    @router.get("/decisions/accuracy", tags=["decisions"])
    async def accuracy(
        key: Annotated[ApiKey, may_read], about: Annotated[EntriesAsked, Depends(asked)]
    ) -> DecisionAccuracy:
        """How often the market went the way of the decisions after 1 h, 4 h and 24 h."""
        return await application.accuracy_of(deps, key, about)

    @router.get("/decisions/calibration", tags=["decisions"])
    async def calibration(
        key: Annotated[ApiKey, may_read],
        about: Annotated[EntriesAsked, Depends(asked)],
        horizon: Annotated[Horizon, Query()] = "4h",
    ) -> DecisionCalibration:
        """Whether decisions with a higher confidence were right more often."""
        return await application.calibration_of(deps, key, about, horizon)

    @router.get("/experiments/{name}/results", tags=["experiments"])
    async def results(name: ExperimentPath, key: Annotated[ApiKey, may_read]) -> ExperimentResults:
        """Its arms side by side, against each other and against the market."""
        return await application.results_of(deps, key, name)

    return router
