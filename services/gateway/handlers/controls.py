"""Routes of the controls of trading: active, reducing, halted, flatten; of one account or of all."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Response

from libs.records.keys import ApiKey, Scope
from services.gateway.application import controls as application
from services.gateway.domain.controls import ControlBody, ControlTaken
from services.gateway.handlers.auth import key_with
from services.gateway.handlers.errors import PROBLEMS
from services.gateway.ports import Deps

IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=200, description="repeating it within 24 h is the same control, carried out once"),
]
TAKEN: dict[int | str, dict[str, Any]] = {
    202: {"model": ControlTaken, "description": "taken, and not carried out by every account within a second"}
}


def routes(deps: Deps, base: str) -> APIRouter:
    router = APIRouter(prefix=base, tags=["controls"], responses=PROBLEMS)
    may_trade = Depends(key_with(deps, Scope.TRADE))

    @router.post("/accounts/{account_id}/control", responses=TAKEN)
    async def control(
        account_id: str,
        body: ControlBody,
        key: Annotated[ApiKey, may_trade],
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> ControlTaken:
        """Set what an account may do. The answer comes when it has taken effect, and after a second at the latest."""
        return _told(response, await application.control(deps, key, account_id, body, idempotency_key))

    @router.post("/control", responses=TAKEN)
    async def control_all(
        body: ControlBody,
        key: Annotated[ApiKey, may_trade],
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> ControlTaken:
        """Set what every account may do, those that are made later included."""
        return _told(response, await application.control_all(deps, key, body, idempotency_key))

    return router


def _told(response: Response, taken: ControlTaken) -> ControlTaken:
    response.status_code = HTTPStatus.ACCEPTED if taken.waiting_for else HTTPStatus.OK
    return taken
