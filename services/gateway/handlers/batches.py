"""Routes of decisions in number: several at once, and a period in figures."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request

from libs.records.keys import ApiKey, Scope
from services.gateway.application.batches import batch
from services.gateway.application.decisions import GenerateCall
from services.gateway.application.figures import decision_metrics
from services.gateway.domain.batches import BatchAnswer, Wishes
from services.gateway.domain.configuring import AccountRef
from services.gateway.domain.decision_figures import DecisionMetrics
from services.gateway.domain.figures import Timeframe
from services.gateway.domain.requests import Timeout
from services.gateway.handlers.auth import key_with
from services.gateway.handlers.decisions import at_once, cause
from services.gateway.handlers.errors import PROBLEMS
from services.gateway.handlers.parameters import IdempotencyKey
from services.gateway.metrics import GatewayMetrics
from services.gateway.ports import Deps


def routes(deps: Deps, metrics: GatewayMetrics, base: str) -> APIRouter:
    """To be included before the routes of decisions: they name a decision where `metrics` stands here."""
    router = APIRouter(prefix=f"{base}/decisions", tags=["decisions"], responses=PROBLEMS)
    may_decide, may_read = Depends(key_with(Scope.DECIDE)), Depends(key_with(Scope.READ))

    @router.post("/batch")
    async def several(
        request: Request,
        wishes: Wishes,
        key: Annotated[ApiKey, may_decide],
        timeout: Annotated[Timeout | None, Query()] = None,
        prefer: Annotated[str, Header(description="`respond-async` answers 202 to each at once")] = "",
        idempotency_key: IdempotencyKey = None,
    ) -> BatchAnswer:
        """Ask for several decisions at once; each has the status that it would have had alone."""
        call = GenerateCall(key, router.prefix, idempotency_key, cause(request), timeout, at_once(prefer))
        return await batch(deps, metrics, wishes, call, request.state.request_id)

    @router.get("/metrics")
    async def figures(
        key: Annotated[ApiKey, may_read],
        account_id: Annotated[AccountRef | None, Query(description="of this account alone")] = None,
        timeframe: Annotated[Timeframe, Query()] = "24h",
    ) -> DecisionMetrics:
        """How the decisions of a period ended, how long they took and what they cost."""
        return await decision_metrics(deps, key, account_id, timeframe)

    return router
