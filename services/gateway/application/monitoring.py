"""The state of the installation: workers, lag, cache, stores, versions, and all of it in short."""

from libs.records.keys import ApiKey
from services.gateway.application.access import seen_accounts
from services.gateway.application.figures import decision_metrics
from services.gateway.domain.monitoring import (
    CacheShown,
    LagList,
    ServiceList,
    StoreList,
    SystemSummary,
    VersionList,
    account_figures,
    missing,
    most_waiting,
    redis_words,
    services,
    stores,
    versions,
)
from services.gateway.domain.problems import Away
from services.gateway.ports import Deps


def services_now(deps: Deps) -> ServiceList:
    """By the last word of each worker."""
    return services(deps.told.workers())


async def lag(deps: Deps) -> LagList:
    """How far behind the log each durable consumer is."""
    items = await deps.operations.backlog()
    return LagList(items=items, most_waiting=most_waiting(items, deps.told.workers()))


async def cache(deps: Deps, key: ApiKey) -> CacheShown:
    """How many requests an earlier decision answered."""
    figures = (await decision_metrics(deps, key, None, "24h")).cache
    return CacheShown(figures=figures, deciders=redis_words(deps.told.workers()))


async def stores_now(deps: Deps) -> StoreList:
    """As this gateway finds them."""
    shared = deps.operations.rates_shared()
    return stores(deps.operations.checks(), rates_shared=shared, versions=await _servers(deps))


async def versions_now(deps: Deps) -> VersionList:
    return versions(deps.told.workers(), await _servers(deps))


async def summary(deps: Deps, key: ApiKey) -> SystemSummary:
    """Accounts are those that the key sees. What cannot be asked at this moment is null."""
    workers, accounts = deps.told.workers(), seen_accounts(deps, key)
    known = stores(deps.operations.checks(), rates_shared=deps.operations.rates_shared(), versions={})
    return SystemSummary(
        market_time=deps.clock.now(),
        market_speed=deps.clock.speed,
        market_paused=deps.clock.paused,
        workers=len(workers),
        workers_ready=sum(told.ready for told in workers),
        services_missing=missing(workers),
        most_waiting=await _most_waiting(deps),
        stores={one.store: one.state for one in known.items},
        of_accounts=account_figures(accounts, (deps.accounts.state(account.account_id) for account in accounts)),
    )


async def _most_waiting(deps: Deps) -> int | None:
    try:
        return (await lag(deps)).most_waiting
    except Away:
        return None


async def _servers(deps: Deps) -> dict[str, str]:
    """What does not answer has no version."""
    try:
        return await deps.operations.versions()
    except Away:
        return {}
