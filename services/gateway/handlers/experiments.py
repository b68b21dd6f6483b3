"""Routes of experiments: begin, look at, end."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from libs.records.keys import ApiKey, Scope
from libs.schemas.experiment import Experiment
from services.gateway.application import experiments as application
from services.gateway.domain.experiments import ExperimentEnd, ExperimentList, NewExperimentBody
from services.gateway.handlers.auth import key_with
from services.gateway.handlers.errors import PROBLEMS
from services.gateway.handlers.parameters import ExperimentPath, IdempotencyKey
from services.gateway.ports import Deps


def routes(deps: Deps, base: str) -> APIRouter:
    router = APIRouter(prefix=f"{base}/experiments", tags=["experiments"], responses=PROBLEMS)
    may_read, may_trade = Depends(key_with(Scope.READ)), Depends(key_with(Scope.TRADE))

    @router.get("")
    async def experiments(key: Annotated[ApiKey, may_read]) -> ExperimentList:
        """Running and ended ones, about accounts that this key sees."""
        return await application.listed(deps, key)

    @router.post("", status_code=201)
    async def begin(
        body: NewExperimentBody,
        key: Annotated[ApiKey, may_trade],
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> Experiment:
        """Begin an experiment: it holds from the next context on until it is stopped."""
        stored = await application.begun(deps, key, body, idempotency_key)
        response.headers["Location"] = f"{router.prefix}/{stored.body.name}"
        return stored.body

    @router.get("/{name}")
    async def experiment(name: ExperimentPath, key: Annotated[ApiKey, may_read]) -> Experiment:
        """Its arms and accounts, and whether it runs."""
        return await application.seen_experiment(deps, key, name)

    @router.post("/{name}/stop")
    async def stop(
        name: ExperimentPath,
        body: ExperimentEnd,
        key: Annotated[ApiKey, may_trade],
        idempotency_key: IdempotencyKey = None,
    ) -> Experiment:
        """End it; what it found stays readable. Stopped twice, the first time counts."""
        return await application.ended(deps, key, name, body, idempotency_key)

    return router
