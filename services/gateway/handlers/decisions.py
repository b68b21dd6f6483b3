"""Decisions: ask for one, look at one, list them."""

import asyncio
import re
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from libs.records.keys import ApiKey, Scope
from libs.schemas.analytics import DecisionResult
from libs.schemas.base import AccountId, Name, StrategyId, Symbol
from libs.schemas.decision import Action
from services.gateway.domain.cursors import PagePosition
from services.gateway.domain.problems import Refusal, RequestRefused, invalid, not_found
from services.gateway.domain.records import (
    Cursor,
    DecisionRecord,
    HistoryEntry,
    HistoryFilter,
    Limit,
    Page,
    RecordStatus,
    Window,
)
from services.gateway.domain.requests import (
    DEFAULT_TIMEOUT_S,
    GenerateAccepted,
    GenerateRequest,
    Ids,
    Timeout,
    idempotent_request_id,
    ids_of,
    life_of,
    random_request_id,
    traced_request_id,
)
from services.gateway.handlers.auth import key_with, seen_account
from services.gateway.handlers.errors import PROBLEMS
from services.gateway.handlers.paging import aware, next_cursor, position
from services.gateway.handlers.waiting import ask, ask_and_wait
from services.gateway.metrics import GatewayMetrics
from services.gateway.ports import Deps

_DECISION = re.compile(r"dec-[0-9a-f]{32}")
LOOKS, LOOK_S = 10, 0.05
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
IdempotencyKey = Annotated[
    str | None, Header(min_length=1, max_length=200, description="repeating it within 24 h gives the same decision")
]


def routes(deps: Deps, metrics: GatewayMetrics, base: str) -> APIRouter:
    router = APIRouter(prefix=f"{base}/decisions", tags=["decisions"], responses=PROBLEMS)
    may_decide, may_read = Depends(key_with(deps, Scope.DECIDE)), Depends(key_with(deps, Scope.READ))

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
        seen_account(deps, key, wish.account_id)
        if wish.strategy_override is not None and deps.accounts.strategy(wish.strategy_override) is None:
            raise invalid("body.strategy_override", f"there is no strategy {wish.strategy_override}")
        ids = await _ids(deps, request, key, wish, idempotency_key)
        wait_s = timeout or wish.timeout or DEFAULT_TIMEOUT_S
        location, cause = f"{base}/decisions/{ids.decision_id}", _cause(request)
        if "respond-async" in {part.strip().lower() for part in prefer.split(",")}:
            await ask(deps, wish, ids, key.key_id, life_of(wait_s, deps.clock.speed), cause)
            response.status_code = HTTPStatus.ACCEPTED
            response.headers.update({"Location": location, "Preference-Applied": "respond-async"})
            return GenerateAccepted(
                decision_id=ids.decision_id, request_id=ids.request_id, account_id=wish.account_id, location=location
            )
        began = deps.clock.monotonic()
        result = await ask_and_wait(deps, wish, ids, key.key_id, wait_s, cause)
        metrics.generate.labels(result.status if result else "none").observe(deps.clock.monotonic() - began)
        if result is None:
            raise _no_answer(wait_s, location)
        return result

    @router.get("/history")
    async def history(
        key: Annotated[ApiKey, may_read],
        account_id: Annotated[AccountId | None, Query()] = None,
        symbol: Annotated[Symbol | None, Query()] = None,
        since: Annotated[datetime | None, Query(alias="from", description="market time, included")] = None,
        until: Annotated[datetime | None, Query(alias="to", description="market time, not included")] = None,
        status: Annotated[RecordStatus | None, Query()] = None,
        action: Annotated[Action | None, Query()] = None,
        strategy_id: Annotated[StrategyId | None, Query()] = None,
        model: Annotated[Name | None, Query()] = None,
        limit: Annotated[Limit, Query()] = 50,
        cursor: Annotated[Cursor | None, Query()] = None,
    ) -> Page[HistoryEntry]:
        """Decisions, newest first."""
        if account_id is not None:
            seen_account(deps, key, account_id)
        accounts = key.accounts if account_id is None else frozenset({account_id})
        wanted = HistoryFilter(
            accounts, symbol, aware("from", since), aware("to", until), status, action, strategy_id, model
        )
        window = Window(limit, position(cursor))
        found = await deps.records.history(wanted, window)
        places = [PagePosition(entry.created_at, entry.decision_id) for entry in found]
        return Page(items=found, next=next_cursor(places, limit))

    @router.get("/{decision_id}")
    async def decision(decision_id: str, key: Annotated[ApiKey, may_read]) -> DecisionRecord:
        """The whole record. A request that another decision answered shows that one."""
        record = await _record(deps, decision_id)
        if record is None or not key.sees(record.account_id):
            raise not_found(f"decision {decision_id[:100]}")
        return record

    return router


async def _record(deps: Deps, decision_id: str) -> DecisionRecord | None:
    """The history follows the log: what a client was just told of may come into it a moment later."""
    looks = LOOKS if _DECISION.fullmatch(decision_id) else 0
    while (record := await deps.records.decision(decision_id)) is None and looks:
        looks -= 1
        await asyncio.sleep(LOOK_S)
    return record


async def _ids(deps: Deps, request: Request, key: ApiKey, wish: GenerateRequest, idempotency_key: str | None) -> Ids:
    if idempotency_key is not None:
        claim = await deps.claims.claim(key.key_id, idempotency_key, wish.fingerprint, deps.clock.wall())
        if claim.fingerprint != wish.fingerprint:
            detail = "this Idempotency-Key was used with another content; take a new one"
            raise RequestRefused(Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency-key-reused", detail))
        return ids_of(wish.account_id, idempotent_request_id(key.key_id, idempotency_key, claim.first_seen))
    if request.state.request_id_given:
        named = traced_request_id(key.key_id, request.state.request_id, wish.fingerprint)
        return ids_of(wish.account_id, named)
    return ids_of(wish.account_id, random_request_id(deps.new_id()), fresh=True)


def _cause(request: Request) -> dict[str, str]:
    """The client's trace, where it names one."""
    given = request.headers.get("traceparent", "")
    return {"traceparent": given} if _TRACEPARENT.fullmatch(given) else {}


def _no_answer(waited_s: float, location: str) -> RequestRefused:
    detail = f"no decision within {waited_s:g} s; it is not lost: look at Location later"
    headers = {"Location": location, "Retry-After": "5"}
    return RequestRefused(Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "no-answer-in-time", detail, headers=headers))
