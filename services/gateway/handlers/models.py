"""Routes of the models that decide."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from libs.records.keys import ApiKey, Scope
from services.gateway.application import models as application
from services.gateway.application.models import ModelsCall
from services.gateway.domain.figures import Timeframe
from services.gateway.domain.models import (
    KeyCheckList,
    ModelHealthList,
    ModelId,
    ModelList,
    ModelPerformance,
    ModelsSwitched,
    SwitchModelBody,
)
from services.gateway.handlers.auth import key_with
from services.gateway.handlers.errors import PROBLEMS
from services.gateway.handlers.parameters import IdempotencyKey
from services.gateway.ports import Deps

ModelPath = Annotated[ModelId, Path(description="a model; its slashes stay slashes")]


def routes(deps: Deps, base: str) -> APIRouter:
    """To be included before the routes of decisions: they name a decision where `models` stands here."""
    router = APIRouter(prefix=base, tags=["models"], responses=PROBLEMS)
    may_read, may_trade = Depends(key_with(Scope.READ)), Depends(key_with(Scope.TRADE))

    @router.get("/models")
    async def models(key: Annotated[ApiKey, may_read]) -> ModelList:
        """The catalogue, and who decides where nobody says otherwise."""
        return application.available(deps)

    @router.get("/models/health")
    async def health(key: Annotated[ApiKey, may_read]) -> ModelHealthList:
        """Breakers, failures in a row, last answers and keys, as each decider says."""
        return application.healthy(deps)

    @router.post("/models/validate-auth")
    async def validate_auth(key: Annotated[ApiKey, may_trade], idempotency_key: IdempotencyKey = None) -> KeyCheckList:
        """Check each provider's key now, as each decider has it, and say what puts it right. No model is called."""
        return await application.authenticated(deps, ModelsCall(key, idempotency_key))

    @router.post("/models/switch")
    @router.post("/decisions/models/switch", name="switch, as earlier clients call it")
    async def switch(
        body: SwitchModelBody, key: Annotated[ApiKey, may_trade], idempotency_key: IdempotencyKey = None
    ) -> ModelsSwitched:
        """Other models decide from the next context on, of one account or of all that have none of their own. Each has
        to answer something small before, from every decider."""
        return await application.switch(deps, ModelsCall(key, idempotency_key), body)

    @router.get("/models/{model_id:path}/performance")
    async def performance(
        model_id: ModelPath, key: Annotated[ApiKey, may_read], timeframe: Annotated[Timeframe, Query()] = "24h"
    ) -> ModelPerformance:
        """Calls, latency, tokens and cost over a period, on the accounts that this key sees."""
        return await application.performance(deps, key, model_id, timeframe)

    return router
