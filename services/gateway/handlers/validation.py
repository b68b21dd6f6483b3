"""`POST /decisions/validate`: the rules on a decision, now."""

from typing import Annotated

from fastapi import APIRouter, Depends

from libs.records.keys import ApiKey, Scope
from services.gateway.application.validation import validated
from services.gateway.domain.validation import ValidateBody, Validated
from services.gateway.handlers.auth import key_with
from services.gateway.handlers.errors import PROBLEMS
from services.gateway.ports import Deps


def routes(deps: Deps, base: str) -> APIRouter:
    router = APIRouter(prefix=f"{base}/decisions", tags=["decisions"], responses=PROBLEMS)
    may_read = Depends(key_with(Scope.READ))

    @router.post("/validate")
    async def validate(body: ValidateBody, key: Annotated[ApiKey, may_read]) -> Validated:
        """The verdicts that the validator would give on this decision at this moment."""
        return await validated(deps, key, body)

    return router
