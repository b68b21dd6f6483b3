"""Routes by which a person acts on a position or an entry: each takes risk away, none opens anything."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Response

from libs.records.keys import ApiKey, Scope
from libs.schemas.acts import CancelAct, CloseAct, StopAct, TargetAct
from libs.schemas.base import ClientOrderId, Symbol
from services.gateway.application import acts as application
from services.gateway.domain.acts import ActTaken, CancelBody, CloseBody, StopBody, TargetBody
from services.gateway.handlers.auth import key_with
from services.gateway.handlers.errors import PROBLEMS
from services.gateway.handlers.parameters import AccountPath, IdempotencyKey
from services.gateway.ports import Deps

TAKEN: dict[int | str, dict[str, Any]] = {
    202: {"model": ActTaken, "description": "taken, and not carried out within a second"}
}
SymbolPath = Annotated[Symbol, Path(description="a symbol, as the account's positions have it")]
OrderPath = Annotated[ClientOrderId, Path(description="a resting entry, by its client_order_id")]


def routes(deps: Deps, base: str) -> APIRouter:
    router = APIRouter(prefix=f"{base}/accounts/{{account_id}}", tags=["acts"], responses=PROBLEMS)
    may_trade = Depends(key_with(Scope.TRADE))
    position = "/positions/{symbol}"

    @router.post(f"{position}/close", responses=TAKEN)
    async def close(
        account_id: AccountPath,
        symbol: SymbolPath,
        body: CloseBody,
        key: Annotated[ApiKey, may_trade],
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> ActTaken:
        """Close a position at market, or a share of it. Whatever the account's state is, this is allowed."""
        act = CloseAct(symbol=symbol, share=body.share, opened_at=body.opened_at)
        return _told(response, await application.acted(deps, key, account_id, act, body.reason, idempotency_key))

    @router.post(f"{position}/stop", responses=TAKEN)
    async def stop(
        account_id: AccountPath,
        symbol: SymbolPath,
        body: StopBody,
        key: Annotated[ApiKey, may_trade],
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> ActTaken:
        """Move the stop of a position towards the price. A stop never moves away, and never goes."""
        act = StopAct(symbol=symbol, price=body.price, opened_at=body.opened_at)
        return _told(response, await application.acted(deps, key, account_id, act, body.reason, idempotency_key))

    @router.post(f"{position}/target", responses=TAKEN)
    async def target(
        account_id: AccountPath,
        symbol: SymbolPath,
        body: TargetBody,
        key: Annotated[ApiKey, may_trade],
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> ActTaken:
        """Set the target of a position, in the place of the one that it has."""
        act = TargetAct(symbol=symbol, price=body.price, opened_at=body.opened_at)
        return _told(response, await application.acted(deps, key, account_id, act, body.reason, idempotency_key))

    @router.post("/orders/{order_id}/cancel", responses=TAKEN)
    async def cancel(
        account_id: AccountPath,
        order_id: OrderPath,
        body: CancelBody,
        key: Annotated[ApiKey, may_trade],
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> ActTaken:
        """Cancel a resting entry. Stops and targets are moved, not cancelled."""
        act = CancelAct(client_order_id=order_id)
        return _told(response, await application.acted(deps, key, account_id, act, body.reason, idempotency_key))

    return router


def _told(response: Response, taken: ActTaken) -> ActTaken:
    response.status_code = HTTPStatus.OK if taken.result == "done" else HTTPStatus.ACCEPTED
    return taken
