"""Strategies: look at them, try them, store new versions, give them to accounts."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from libs.records.keys import ApiKey, Scope
from libs.schemas.strategy import TradingStrategy
from services.gateway.application import strategies
from services.gateway.application.access import seen_account
from services.gateway.application.account_changes import switched
from services.gateway.application.alerts import changes_of_strategy
from services.gateway.application.changes import by, found_strategy, granted, may_change
from services.gateway.application.strategy_access import seen_strategy
from services.gateway.domain.configuring import (
    Assignments,
    ChangedAccount,
    Checked,
    NewStrategyBody,
    PreviewBody,
    Previewed,
    Reason,
    StrategyBody,
    StrategyList,
    StrategyVersions,
    SwitchBody,
    version_of,
)
from services.gateway.domain.problems import not_found
from services.gateway.domain.records import AuditEntry, Cursor, Limit, Page
from services.gateway.handlers.auth import key_with
from services.gateway.handlers.changes import tagged
from services.gateway.handlers.errors import PROBLEMS
from services.gateway.handlers.parameters import AccountPath, IdempotencyKey, Match, StrategyPath
from services.gateway.ports import Deps

Version = Annotated[int | None, Query(ge=1, description="an older version; else the active one")]


def routes(deps: Deps, base: str) -> APIRouter:
    """The fixed names come before `/{strategy_id}`, which would take them for a strategy."""
    router = APIRouter(prefix=f"{base}/strategies", tags=["strategies"], responses=PROBLEMS)
    _of_accounts(router, deps)
    _lists(router, deps)
    _changes(router, deps)
    return router


def _lists(router: APIRouter, deps: Deps) -> None:
    may_read = Depends(key_with(Scope.READ))

    @router.get("/available")
    async def available(key: Annotated[ApiKey, may_read]) -> StrategyList:
        """The active version of every strategy."""
        return strategies.available(deps, key)

    @router.post("/validate")
    async def validate(body: dict[str, Any], key: Annotated[ApiKey, may_read]) -> Checked:
        """What is wrong with a strategy, its template included. Nothing is stored."""
        return strategies.checked(deps, body)

    @router.get("/{strategy_id}")
    async def strategy(
        strategy_id: StrategyPath, key: Annotated[ApiKey, may_read], response: Response, version: Version = None
    ) -> TradingStrategy:
        """Its text, for keys whose accounts have it and for the key that made it."""
        await seen_strategy(deps, key, strategy_id)
        stored = found_strategy(strategy_id, await deps.desk.strategies.get(strategy_id, version))
        tagged(response, stored)
        return stored.body

    @router.get("/{strategy_id}/versions")
    async def versions(strategy_id: StrategyPath, key: Annotated[ApiKey, may_read]) -> StrategyVersions:
        """Every version that was ever active, also of a strategy that was deleted."""
        await seen_strategy(deps, key, strategy_id)
        found = await deps.desk.strategies.versions(strategy_id)
        if not found:
            raise not_found(f"strategy {strategy_id[:32]}")
        return StrategyVersions(items=found)

    @router.get("/{strategy_id}/changes")
    async def changes(
        strategy_id: StrategyPath,
        key: Annotated[ApiKey, may_read],
        limit: Annotated[Limit, Query()] = 50,
        cursor: Annotated[Cursor | None, Query()] = None,
    ) -> Page[AuditEntry]:
        """Who changed it, from what to what, and why, newest first; also of a strategy that was deleted."""
        return await changes_of_strategy(deps, key, strategy_id, limit, cursor)

    @router.post("/{strategy_id}/preview")
    async def preview(strategy_id: StrategyPath, body: PreviewBody, key: Annotated[ApiKey, may_read]) -> Previewed:
        """The template as a model would read it: in the account's newest context, else in a made-up one."""
        if body.strategy is None:
            await seen_strategy(deps, key, strategy_id)
        account = None if body.account_id is None else seen_account(deps, key, body.account_id)
        return await strategies.previewed(deps, strategy_id, body, account)


def _changes(router: APIRouter, deps: Deps) -> None:
    may_trade = Depends(key_with(Scope.TRADE))

    @router.post("/custom", status_code=201)
    async def custom(
        body: NewStrategyBody,
        key: Annotated[ApiKey, may_trade],
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> TradingStrategy:
        """Store a new strategy. It is checked and its template tried before."""
        stored = await strategies.added(deps, key, body, idempotency_key)
        tagged(response, stored)
        response.headers["Location"] = f"{router.prefix}/{stored.body.strategy_id}"
        return stored.body

    @router.put("/{strategy_id}")
    async def change(
        strategy_id: StrategyPath,
        body: StrategyBody,
        key: Annotated[ApiKey, may_trade],
        response: Response,
        if_match: Match = None,
    ) -> TradingStrategy:
        """A new version with these fields; the rest stays. It holds from the next context of its accounts on."""
        await seen_strategy(deps, key, strategy_id)
        found_strategy(strategy_id, await deps.desk.strategies.get(strategy_id))
        may_change(deps, key, strategy_id)
        made = deps.desk.strategies.change(
            strategy_id, body.strategy, by(key, body.reason), version=version_of(if_match)
        )
        stored = granted(await made, "strategy")
        tagged(response, stored)
        return stored.body

    @router.delete("/{strategy_id}", status_code=204)
    async def delete(
        strategy_id: StrategyPath,
        key: Annotated[ApiKey, may_trade],
        reason: Annotated[Reason, Query()],
        if_match: Match = None,
    ) -> None:
        """Remove a strategy that no account has. Its versions stay readable."""
        await seen_strategy(deps, key, strategy_id)
        found_strategy(strategy_id, await deps.desk.strategies.get(strategy_id))
        may_change(deps, key, strategy_id)
        granted(await deps.desk.strategies.delete(strategy_id, by(key, reason), version=version_of(if_match)))


def _of_accounts(router: APIRouter, deps: Deps) -> None:
    may_read, may_trade = Depends(key_with(Scope.READ)), Depends(key_with(Scope.TRADE))

    @router.get("/account/{account_id}")
    async def assigned(account_id: AccountPath, key: Annotated[ApiKey, may_read]) -> Assignments:
        """The account's strategy, and when it got which, by whom and why: the last 64 changes of the account."""
        account = seen_account(deps, key, account_id)
        return await strategies.assigned(deps, account)

    @router.post("/account/{account_id}/switch")
    async def switch(
        account_id: AccountPath,
        body: SwitchBody,
        key: Annotated[ApiKey, may_trade],
        response: Response,
        if_match: Match = None,
        idempotency_key: IdempotencyKey = None,
    ) -> ChangedAccount:
        """Another strategy from the account's next context on; a decision in flight ends with the one it began with."""
        stored = await switched(deps, key, account_id, body, version_of(if_match), idempotency_key)
        tagged(response, stored)
        return ChangedAccount(account=stored.body, warnings=stored.warnings)
