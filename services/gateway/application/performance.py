"""Figures of accounts and strategies over a period, side by side, and what to do about them."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from libs.analytics.comparison import ranked, recommend
from libs.analytics.performance import Period, performance
from libs.configuration.configuration import Refused
from libs.records.keys import ApiKey
from libs.schemas.account import Account
from libs.schemas.analytics import StrategyPerformance
from services.gateway.application.access import seen_account, seen_accounts
from services.gateway.domain.figures import (
    CompareBody,
    Comparison,
    Recommended,
    Scored,
    compared,
    recommended,
    scored,
    span,
)
from services.gateway.domain.problems import not_found
from services.gateway.ports import Deps


async def of_account(deps: Deps, key: ApiKey, account_id: str, timeframe: str) -> Scored:
    """Over all trades of the account, whatever its strategies were."""
    account = seen_account(deps, key, account_id)
    return scored(await _over(deps, [account], None, span(timeframe, deps.clock.now())))


async def of_strategy(deps: Deps, key: ApiKey, strategy_id: str, account_id: str | None, timeframe: str) -> Scored:
    """Over the trades that decisions with this strategy opened, on one account or on all that the key sees."""
    accounts = seen_accounts(deps, key) if account_id is None else [seen_account(deps, key, account_id)]
    if deps.accounts.strategy(strategy_id) is None and not await deps.desk.strategies.versions(strategy_id):
        raise not_found(f"strategy {strategy_id[:32]}")
    return scored(await _over(deps, accounts, strategy_id, span(timeframe, deps.clock.now())))


async def compare(deps: Deps, key: ApiKey, body: CompareBody) -> Comparison:
    """Strategies over one period, best first; those with fewer than 30 trades are not ranked."""
    named = body.account_ids
    accounts = seen_accounts(deps, key) if named is None else [seen_account(deps, key, name) for name in named]
    wanted = tuple(dict.fromkeys(body.strategy_ids))
    return Comparison(items=compared(ranked(await _each(deps, accounts, wanted, body.timeframe))))


async def recommendation(deps: Deps, key: ApiKey, account_id: str, timeframe: str) -> Recommended:
    """Whether another strategy did clearly better over the same period, on the accounts that this key sees."""
    account = seen_account(deps, key, account_id)
    names = sorted({account.strategy_id, *(strategy.strategy_id for strategy in deps.accounts.strategies())})
    periods = await _each(deps, seen_accounts(deps, key), tuple(names), timeframe)
    unfit = await _unfit(deps, account, names)
    return recommended(account_id, recommend(account.strategy_id, periods, unfit), unfit)


async def _each(
    deps: Deps, accounts: list[Account], strategies: tuple[str, ...], timeframe: str
) -> list[StrategyPerformance]:
    """One period for all: the end is taken once."""
    period = span(timeframe, deps.clock.now())
    return [await _over(deps, accounts, name, period) for name in strategies]


async def _over(
    deps: Deps, accounts: list[Account], strategy_id: str | None, period: tuple[datetime, datetime]
) -> StrategyPerformance:
    """Capital is that of the accounts with trades in the period; what an idle account holds earned nothing."""
    since, until = period
    ids = frozenset(account.account_id for account in accounts)
    trades = await deps.analytics.trades(since, until, ids, strategy_id)
    traded = {trade.account_id for trade in trades} or ids
    used = [account for account in accounts if account.account_id in traded]
    known = [
        await deps.analytics.opening_equity(account.account_id, since) or account.initial_balance for account in used
    ]
    return performance(
        trades,
        Period(since, until, sum(known, Decimal(0))),
        strategy_id=strategy_id,
        account_id=accounts[0].account_id if len(accounts) == 1 else None,
        model_cost=await deps.analytics.model_cost(since, until, ids, strategy_id),
    )


async def _unfit(deps: Deps, account: Account, strategies: Sequence[str]) -> dict[str, str]:
    state = deps.accounts.state(account.account_id)
    fits = {name: await deps.desk.strategies.fit(account, name, state) for name in strategies}
    return {name: fit.message for name, fit in fits.items() if isinstance(fit, Refused)}
