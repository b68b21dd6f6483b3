"""Routes of decisions: ask for one, look at one, list them."""

import re
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from libs.records.keys import ApiKey, Scope
from libs.schemas.analytics import DecisionResult
from libs.schemas.base import AccountId, Name, StrategyId, Symbol
from libs.schemas.decision import Action
from services.gateway.application import decisions as application
from services.gateway.application.decisions import GenerateCall
from services.gateway.domain.records import (
    Cursor,
    DecisionRecord,
    HistoryEntry,
    HistoryFilter,
    Limit,
    Page,
    RecordStatus,
)
from services.gateway.domain.requests import GenerateAccepted, GenerateRequest, Timeout
from services.gateway.handlers.auth import key_with
from services.gateway.handlers.errors import PROBLEMS
from services.gateway.handlers.parameters import DecisionPath, IdempotencyKey, Time
from services.gateway.metrics import GatewayMetrics
from services.gateway.ports import Deps

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
AT_ONCE = "respond-async"


def routes(deps: Deps, metrics: GatewayMetrics, base: str) -> APIRouter:
    router = APIRouter(prefix=f"{base}/decisions", tags=["decisions"], responses=PROBLEMS)
    may_decide, may_read = Depends(key_with(Scope.DECIDE)), Depends(key_with(Scope.READ))

    @router.post(
        "/generate",
        responses={202: {"model": GenerateAccepted, "description": "taken; the decision is at Location"}},
    )
    async def generate(
        request: Request,
        response: Response,
        wish: GenerateRequest,
        key: Annotated[ApiKey, may_decide],
        timeout: Annotated[Timeout | None, Query()] = None,
        prefer: Annotated[str, Header(description="`respond-async` answers 202 at once")] = "",
        idempotency_key: IdempotencyKey = None,
    ) -> DecisionResult | GenerateAccepted:
        """Ask for a decision and wait for its end."""
        call = GenerateCall(key, router.prefix, idempotency_key, cause(request), timeout, at_once(prefer))
        answer = await application.generate(deps, metrics, wish, call)
        if isinstance(answer, GenerateAccepted):
            response.status_code = HTTPStatus.ACCEPTED
            response.headers.update({"Location": answer.location, "Preference-Applied": AT_ONCE})
        return answer

    @router.get("/history")
    async def history(
        key: Annotated[ApiKey, may_read],
        account_id: Annotated[AccountId | None, Query()] = None,
        symbol: Annotated[Symbol | None, Query()] = None,
        since: Annotated[Time | None, Query(alias="from", description="market time, included")] = None,
        until: Annotated[Time | None, Query(alias="to", description="market time, not included")] = None,
        status: Annotated[RecordStatus | None, Query()] = None,
        action: Annotated[Action | None, Query()] = None,
        strategy_id: Annotated[StrategyId | None, Query()] = None,
        model: Annotated[Name | None, Query()] = None,
        limit: Annotated[Limit, Query()] = 50,
        cursor: Annotated[Cursor | None, Query()] = None,
    ) -> Page[HistoryEntry]:
        """Decisions, newest first."""
        wanted = HistoryFilter(None, symbol, since, until, status, action, strategy_id, model)
        return await application.history(deps, key, account_id, wanted, limit, cursor)

    @router.get("/{decision_id}")
    async def decision(decision_id: DecisionPath, key: Annotated[ApiKey, may_read]) -> DecisionRecord:
        """The whole record. A request that another decision answered shows that one."""
        return await application.record_of(deps, key, decision_id)

    return router


def at_once(prefer: str) -> bool:
    """Whether a Prefer header wants an answer before the end."""
    return AT_ONCE in {part.strip().lower() for part in prefer.split(",")}


def cause(request: Request) -> dict[str, str]:
    """The client's trace, where it names one."""
    given = request.headers.get("traceparent", "")
    return {"traceparent": given} if _TRACEPARENT.fullmatch(given) else {}
