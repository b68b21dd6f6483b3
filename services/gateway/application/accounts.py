"""Accounts as they are now, and what became of them. Reads only."""

from datetime import datetime

from libs.records.keys import ApiKey
from libs.schemas.account import AccountState
from services.gateway.application.access import past_account, seen_account, seen_accounts
from services.gateway.application.paging import aware, next_cursor, position
from services.gateway.domain.cursors import PagePosition
from services.gateway.domain.problems import not_found
from services.gateway.domain.records import (
    AccountList,
    EquityPoint,
    OrderRecord,
    Page,
    PositionList,
    TradeRecord,
    Window,
)
from services.gateway.ports import Deps


def visible(deps: Deps, key: ApiKey) -> AccountList:
    """The accounts that this key sees."""
    return AccountList(items=sorted(seen_accounts(deps, key), key=lambda account: account.account_id))


def state_of(deps: Deps, key: ApiKey, account_id: str) -> AccountState:
    """As the executor last wrote it."""
    seen_account(deps, key, account_id)
    state = deps.accounts.state(account_id)
    if state is None:
        raise not_found(f"state of {account_id}")
    return state


def positions(deps: Deps, key: ApiKey, account_id: str) -> PositionList:
    """What is open, as the executor last wrote it."""
    state = state_of(deps, key, account_id)
    return PositionList(items=list(state.positions), as_of=state.as_of)


async def trades(deps: Deps, key: ApiKey, account_id: str, limit: int, cursor: str | None) -> Page[TradeRecord]:
    """Closed ones, newest first."""
    await past_account(deps, key, account_id)
    rows = await deps.records.trades(account_id, Window(limit, position(cursor)))
    places = [PagePosition(trade.closed_at, trade.trade_id) for trade in rows]
    return Page(items=rows, next=next_cursor(places, limit))


async def equity(
    deps: Deps,
    key: ApiKey,
    account_id: str,
    between: tuple[datetime | None, datetime | None],
    limit: int,
    cursor: str | None,
) -> Page[EquityPoint]:
    """Newest first; `between` are market times, the second not included."""
    await past_account(deps, key, account_id)
    window, (since, until) = Window(limit, position(cursor)), between
    points = await deps.records.equity(account_id, aware("from", since), aware("to", until), window)
    places = [PagePosition(point.at, point_id) for point_id, point in points]
    return Page(items=[point for _, point in points], next=next_cursor(places, limit))


async def orders(deps: Deps, key: ApiKey, account_id: str, limit: int, cursor: str | None) -> Page[OrderRecord]:
    """Newest first."""
    await past_account(deps, key, account_id)
    rows = await deps.records.orders(account_id, Window(limit, position(cursor)))
    places = [PagePosition(order.created_at, order.client_order_id) for order in rows]
    return Page(items=rows, next=next_cursor(places, limit))
