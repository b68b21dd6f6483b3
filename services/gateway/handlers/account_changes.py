"""Accounts are made and changed; each change holds from the account's next context on."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from libs.records.keys import ApiKey, Scope
from services.gateway.application import account_changes as application
from services.gateway.domain.configuring import AccountBody, ChangedAccount, NewAccountBody, Reason, version_of
from services.gateway.handlers.auth import key_with
from services.gateway.handlers.changes import tagged
from services.gateway.handlers.errors import PROBLEMS
from services.gateway.handlers.parameters import AccountPath, IdempotencyKey, Match
from services.gateway.ports import Deps


def routes(deps: Deps, base: str) -> APIRouter:
    router = APIRouter(prefix=f"{base}/accounts", tags=["accounts"], responses=PROBLEMS)
    may_trade = Depends(key_with(Scope.TRADE))

    @router.post("", status_code=201)
    async def add(
        body: NewAccountBody,
        key: Annotated[ApiKey, may_trade],
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> ChangedAccount:
        """Make an account. A key for certain accounts may make those that it names."""
        stored = await application.added(deps, key, body, idempotency_key)
        tagged(response, stored)
        response.headers["Location"] = f"{router.prefix}/{stored.body.account_id}"
        return ChangedAccount(account=stored.body, warnings=stored.warnings)

    @router.patch("/{account_id}")
    async def change(
        account_id: AccountPath,
        body: AccountBody,
        key: Annotated[ApiKey, may_trade],
        response: Response,
        if_match: Match = None,
    ) -> ChangedAccount:
        """Other limits, symbols, triggers, budgets, status or strategy; what is not named stays."""
        stored = await application.changed(deps, key, account_id, body, version_of(if_match))
        tagged(response, stored)
        return ChangedAccount(account=stored.body, warnings=stored.warnings)

    @router.delete("/{account_id}", status_code=204)
    async def delete(
        account_id: AccountPath,
        key: Annotated[ApiKey, may_trade],
        reason: Annotated[Reason, Query(description="kept with the change")],
        if_match: Match = None,
    ) -> None:
        """Take away an account that is stopped and has nothing open. Its history stays readable."""
        await application.removed(deps, key, account_id, reason, version_of(if_match))

    return router
