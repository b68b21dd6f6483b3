"""Routes of accounts: as they are now, and what became of them. Reads only."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from libs.records.keys import ApiKey, Scope
from libs.schemas.account import Account, AccountState
from services.gateway.application import accounts as application
from services.gateway.application.access import seen_account
from services.gateway.application.alerts import changes_of_account
from services.gateway.domain.records import (
    AccountList,
    AuditEntry,
    Cursor,
    EquityPoint,
    Limit,
    OrderRecord,
    Page,
    PositionList,
    TradeRecord,
)
from services.gateway.handlers.auth import key_with
from services.gateway.handlers.errors import PROBLEMS
from services.gateway.handlers.parameters import AccountPath, Time
from services.gateway.ports import Deps


def routes(deps: Deps, base: str) -> APIRouter:
    router = APIRouter(prefix=f"{base}/accounts", tags=["accounts"], responses=PROBLEMS)
    may_read = Depends(key_with(Scope.READ))

    @router.get("")
    async def accounts(key: Annotated[ApiKey, may_read]) -> AccountList:
        """The accounts that this key sees."""
        return application.visible(deps, key)

    @router.get("/{account_id}")
    async def account(account_id: AccountPath, key: Annotated[ApiKey, may_read]) -> Account:
        """Its configuration."""
        return seen_account(deps, key, account_id)

    @router.get("/{account_id}/state")
    async def state(account_id: AccountPath, key: Annotated[ApiKey, may_read]) -> AccountState:
        """Balances, positions and orders as the executor last wrote them."""
        return application.state_of(deps, key, account_id)

    @router.get("/{account_id}/equity")
    async def equity(
        account_id: AccountPath,
        key: Annotated[ApiKey, may_read],
        since: Annotated[Time | None, Query(alias="from", description="market time, included")] = None,
        until: Annotated[Time | None, Query(alias="to", description="market time, not included")] = None,
        limit: Annotated[Limit, Query()] = 500,
        cursor: Annotated[Cursor | None, Query()] = None,
    ) -> Page[EquityPoint]:
        """Equity over time, newest first."""
        return await application.equity(deps, key, account_id, (since, until), limit, cursor)

    @router.get("/{account_id}/positions")
    async def positions(account_id: AccountPath, key: Annotated[ApiKey, may_read]) -> PositionList:
        """What is open, as the executor last wrote it."""
        return application.positions(deps, key, account_id)

    @router.get("/{account_id}/trades")
    async def trades(
        account_id: AccountPath,
        key: Annotated[ApiKey, may_read],
        limit: Annotated[Limit, Query()] = 50,
        cursor: Annotated[Cursor | None, Query()] = None,
    ) -> Page[TradeRecord]:
        """Positions that are closed, newest end first."""
        return await application.trades(deps, key, account_id, limit, cursor)

    @router.get("/{account_id}/changes")
    async def changes(
        account_id: AccountPath,
        key: Annotated[ApiKey, may_read],
        limit: Annotated[Limit, Query()] = 50,
        cursor: Annotated[Cursor | None, Query()] = None,
    ) -> Page[AuditEntry]:
        """Who changed or controlled the account, from what to what, and why, newest first."""
        return await changes_of_account(deps, key, account_id, limit, cursor)

    @router.get("/{account_id}/orders")
    async def orders(
        account_id: AccountPath,
        key: Annotated[ApiKey, may_read],
        limit: Annotated[Limit, Query()] = 50,
        cursor: Annotated[Cursor | None, Query()] = None,
    ) -> Page[OrderRecord]:
        """Orders, newest first."""
        return await application.orders(deps, key, account_id, limit, cursor)

    return router
