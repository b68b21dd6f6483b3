"""Accounts are made and changed; each change holds from the account's next context on."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Response

from libs.configuration.configuration import given
from libs.records.keys import ApiKey, Scope
from libs.schemas.account import Account
from services.gateway.application.access import seen_account
from services.gateway.application.changes import by, granted
from services.gateway.domain.configuring import AccountBody, ChangedAccount, IfMatch, version_of
from services.gateway.domain.problems import invalid
from services.gateway.handlers.auth import key_with
from services.gateway.handlers.changes import tagged
from services.gateway.handlers.errors import PROBLEMS
from services.gateway.ports import Deps


def routes(deps: Deps, base: str) -> APIRouter:
    router = APIRouter(prefix=f"{base}/accounts", tags=["accounts"], responses=PROBLEMS)
    may_trade = Depends(key_with(deps, Scope.TRADE))

    @router.post("", status_code=201)
    async def add(body: AccountBody, key: Annotated[ApiKey, may_trade], response: Response) -> ChangedAccount:
        """Make an account. A key for certain accounts may make those that it names."""
        made = granted(given(Account, body.account))
        if not key.sees(made.account_id):
            raise invalid("body.account.account_id", "this key is not for an account of that name")
        stored = granted(await deps.desk.accounts.add(made, by(key, body.reason)))
        tagged(response, stored)
        response.headers["Location"] = f"{router.prefix}/{stored.body.account_id}"
        return ChangedAccount(account=stored.body, warnings=stored.warnings)

    @router.patch("/{account_id}")
    async def change(
        account_id: str,
        body: AccountBody,
        key: Annotated[ApiKey, may_trade],
        response: Response,
        if_match: Annotated[IfMatch, Header(alias="If-Match")] = None,
    ) -> ChangedAccount:
        """Other limits, symbols, triggers, budgets, status or strategy; what is not named stays."""
        seen_account(deps, key, account_id)
        who, version = by(key, body.reason), version_of(if_match)
        state = deps.accounts.state(account_id)
        stored = granted(await deps.desk.accounts.change(account_id, body.account, who, state=state, version=version))
        tagged(response, stored)
        return ChangedAccount(account=stored.body, warnings=stored.warnings)

    return router
