"""Accounts as they are now, and what became of them. Reads only."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from libs.records.keys import ApiKey, Scope
from libs.schemas.account import Account, AccountState
from services.gateway.domain.cursors import PagePosition
from services.gateway.domain.problems import not_found
from services.gateway.domain.records import AccountList, Cursor, EquityPoint, Limit, OrderRecord, Page, Window
from services.gateway.handlers.auth import key_with, seen_account
from services.gateway.handlers.errors import PROBLEMS
from services.gateway.handlers.paging import aware, next_cursor, position
from services.gateway.ports import Deps


def routes(deps: Deps, base: str) -> APIRouter:
    router = APIRouter(prefix=f"{base}/accounts", tags=["accounts"], responses=PROBLEMS)
    may_read = Depends(key_with(deps, Scope.READ))

    @router.get("")
    async def accounts(key: Annotated[ApiKey, may_read]) -> AccountList:
        """The accounts that this key sees."""
        seen = [account for account in deps.accounts.accounts() if key.sees(account.account_id)]
        return AccountList(items=sorted(seen, key=lambda account: account.account_id))

    @router.get("/{account_id}")
    async def account(account_id: str, key: Annotated[ApiKey, may_read]) -> Account:
        """Its configuration."""
        return seen_account(deps, key, account_id)

    @router.get("/{account_id}/state")
    async def state(account_id: str, key: Annotated[ApiKey, may_read]) -> AccountState:
        """Balances, positions and orders as the executor last wrote them."""
        seen_account(deps, key, account_id)
        found = deps.accounts.state(account_id)
        if found is None:
            raise not_found(f"state of {account_id}")
        return found

    @router.get("/{account_id}/equity")
    async def equity(
        account_id: str,
        key: Annotated[ApiKey, may_read],
        since: Annotated[datetime | None, Query(alias="from", description="market time, included")] = None,
        until: Annotated[datetime | None, Query(alias="to", description="market time, not included")] = None,
        limit: Annotated[Limit, Query()] = 500,
        cursor: Annotated[Cursor | None, Query()] = None,
    ) -> Page[EquityPoint]:
        """Equity over time, newest first."""
        seen_account(deps, key, account_id)
        window = Window(limit, position(cursor))
        found = await deps.records.equity(account_id, aware("from", since), aware("to", until), window)
        places = [PagePosition(point.at, point_id) for point_id, point in found]
        return Page(items=[point for _, point in found], next=next_cursor(places, limit))

    @router.get("/{account_id}/orders")
    async def orders(
        account_id: str,
        key: Annotated[ApiKey, may_read],
        limit: Annotated[Limit, Query()] = 50,
        cursor: Annotated[Cursor | None, Query()] = None,
    ) -> Page[OrderRecord]:
        """Orders, newest first."""
        seen_account(deps, key, account_id)
        found = await deps.records.orders(account_id, Window(limit, position(cursor)))
        places = [PagePosition(order.created_at, order.client_order_id) for order in found]
        return Page(items=found, next=next_cursor(places, limit))

    return router
