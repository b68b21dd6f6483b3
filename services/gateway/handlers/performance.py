"""Figures of accounts and strategies over a period, side by side, and what to do about them."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from libs.analytics.comparison import ranked, recommend
from libs.analytics.performance import Period, performance
from libs.configuration.configuration import Refused
from libs.records.keys import ApiKey, Scope
from libs.schemas.account import Account
from libs.schemas.analytics import StrategyPerformance
from services.gateway.domain.figures import (
    DEFAULT,
    CompareBody,
    Comparison,
    Recommended,
    Scored,
    Timeframe,
    compared,
    recommended,
    scored,
    span,
)
from services.gateway.domain.problems import not_found
from services.gateway.handlers.auth import key_with, seen_account
from services.gateway.handlers.errors import PROBLEMS
from services.gateway.ports import Deps

Over = Annotated[Timeframe, Query()]


def routes(deps: Deps, base: str) -> APIRouter:
    """To be included before the routes of strategies: `/{strategy_id}` would take `compare` for one."""
    router = APIRouter(prefix=base, responses=PROBLEMS)
    may_read = Depends(key_with(deps, Scope.READ))

    @router.get("/accounts/{account_id}/performance", tags=["accounts"])
    async def of_account(account_id: str, key: Annotated[ApiKey, may_read], timeframe: Over = DEFAULT) -> Scored:
        """Over all trades of the account, whatever its strategies were."""
        account = seen_account(deps, key, account_id)
        return scored(await _over(deps, [account], None, span(timeframe, deps.clock.now())))

    @router.get("/strategies/{strategy_id}/performance", tags=["strategies"])
    async def of_strategy(
        strategy_id: str,
        key: Annotated[ApiKey, may_read],
        timeframe: Over = DEFAULT,
        account_id: Annotated[str | None, Query(description="for this account only")] = None,
    ) -> Scored:
        """Over the trades that decisions with this strategy opened."""
        accounts = _seen(deps, key) if account_id is None else [seen_account(deps, key, account_id)]
        if deps.accounts.strategy(strategy_id) is None and not await deps.desk.strategies.versions(strategy_id):
            raise not_found(f"strategy {strategy_id[:32]}")
        return scored(await _over(deps, accounts, strategy_id, span(timeframe, deps.clock.now())))

    @router.post("/strategies/compare", tags=["strategies"])
    async def compare(body: CompareBody, key: Annotated[ApiKey, may_read]) -> Comparison:
        """Strategies over one period, best first; those with fewer than 30 trades are not ranked."""
        named = body.account_ids
        accounts = _seen(deps, key) if named is None else [seen_account(deps, key, one) for one in named]
        wanted = tuple(dict.fromkeys(body.strategy_ids))
        return Comparison(items=compared(ranked(await _each(deps, accounts, wanted, body.timeframe))))

    @router.get("/strategies/recommendations/{account_id}", tags=["strategies"])
    async def recommendations(
        account_id: str, key: Annotated[ApiKey, may_read], timeframe: Over = "30d"
    ) -> Recommended:
        """Whether another strategy did clearly better over the same period, on the accounts that this key sees."""
        account = seen_account(deps, key, account_id)
        names = sorted({account.strategy_id, *(one.strategy_id for one in deps.accounts.strategies())})
        periods = await _each(deps, _seen(deps, key), tuple(names), timeframe)
        unfit = await _unfit(deps, account, names)
        return recommended(account_id, recommend(account.strategy_id, periods, unfit), unfit)

    return router


async def _each(
    deps: Deps, accounts: list[Account], strategies: tuple[str, ...], timeframe: str
) -> list[StrategyPerformance]:
    """One period for all: the end is taken once."""
    period = span(timeframe, deps.clock.now())
    return [await _over(deps, accounts, one, period) for one in strategies]


async def _over(
    deps: Deps, accounts: list[Account], strategy_id: str | None, period: tuple[datetime, datetime]
) -> StrategyPerformance:
    """Capital is that of the accounts with trades in the period; what an idle account holds earned nothing."""
    since, until = period
    ids = frozenset(account.account_id for account in accounts)
    trades = await deps.analytics.trades(since, until, ids, strategy_id)
    traded = {trade.account_id for trade in trades} or ids
    used = [account for account in accounts if account.account_id in traded]
    known = [await deps.analytics.opening_equity(one.account_id, since) or one.initial_balance for one in used]
    return performance(
        trades,
        Period(since, until, sum(known, Decimal(0))),
        strategy_id=strategy_id,
        account_id=accounts[0].account_id if len(accounts) == 1 else None,
        model_cost=await deps.analytics.model_cost(since, until, ids, strategy_id),
    )


async def _unfit(deps: Deps, account: Account, strategies: list[str]) -> dict[str, str]:
    state = deps.accounts.state(account.account_id)
    found = {one: await deps.desk.strategies.fit(account, one, state) for one in strategies}
    return {name: fit.message for name, fit in found.items() if isinstance(fit, Refused)}


def _seen(deps: Deps, key: ApiKey) -> list[Account]:
    return [one for one in deps.accounts.accounts() if key.sees(one.account_id)]
