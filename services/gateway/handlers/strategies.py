"""Strategies: look at them, try them, store new versions, give them to accounts."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response

from libs.configuration.configuration import Refused, given
from libs.configuration.strategies import assignments
from libs.configuration.templates import TemplateFailed
from libs.records.keys import ApiKey, Scope
from libs.schemas.strategy import TradingStrategy
from libs.schemas.subjects import account_key
from libs.strategies.sample import samples
from services.gateway.application.access import seen_account
from services.gateway.domain.configuring import (
    Assignments,
    ChangedAccount,
    Checked,
    IfMatch,
    PreviewBody,
    Previewed,
    Reason,
    StrategyAssignment,
    StrategyBody,
    StrategyList,
    StrategySummary,
    StrategyVersions,
    SwitchBody,
    version_of,
)
from services.gateway.domain.problems import invalid, not_found
from services.gateway.handlers.auth import key_with
from services.gateway.handlers.changes import by, found_strategy, granted, may_change, tagged
from services.gateway.handlers.errors import PROBLEMS
from services.gateway.ports import Deps

CHARS_A_TOKEN = 4
Version = Annotated[int | None, Query(ge=1, description="an older version; else the active one")]
Match = Annotated[IfMatch, Header(alias="If-Match")]


def routes(deps: Deps, base: str) -> APIRouter:
    """The fixed names come before `/{strategy_id}`, which would take them for a strategy."""
    router = APIRouter(prefix=f"{base}/strategies", tags=["strategies"], responses=PROBLEMS)
    _of_accounts(router, deps)
    _lists(router, deps)
    _changes(router, deps)
    return router


def _lists(router: APIRouter, deps: Deps) -> None:
    may_read = Depends(key_with(deps, Scope.READ))

    @router.get("/available")
    async def available(key: Annotated[ApiKey, may_read]) -> StrategyList:
        """The active version of every strategy."""
        accounts = [one for one in deps.accounts.accounts() if key.sees(one.account_id)]
        found = sorted(deps.accounts.strategies(), key=lambda one: one.strategy_id)
        users = {
            one.strategy_id: sorted(a.account_id for a in accounts if a.strategy_id == one.strategy_id) for one in found
        }
        items = [StrategySummary(**_shown(one), accounts=users[one.strategy_id]) for one in found]
        return StrategyList(items=items)

    @router.post("/validate")
    async def validate(body: dict[str, object], key: Annotated[ApiKey, may_read]) -> Checked:
        """What is wrong with a strategy, its template included. Nothing is stored."""
        parsed = given(TradingStrategy, body)
        found = (parsed,) if isinstance(parsed, Refused) else deps.desk.strategies.check(parsed)
        errors: list[dict[str, str | None]] = [{"field": one.field, "message": one.message} for one in found]
        return Checked(valid=not errors, errors=errors)

    @router.get("/{strategy_id}")
    async def strategy(
        strategy_id: str, key: Annotated[ApiKey, may_read], response: Response, version: Version = None
    ) -> TradingStrategy:
        stored = found_strategy(strategy_id, await deps.desk.strategies.get(strategy_id, version))
        tagged(response, stored)
        return stored.body

    @router.get("/{strategy_id}/versions")
    async def versions(strategy_id: str, key: Annotated[ApiKey, may_read]) -> StrategyVersions:
        """Every version that was ever active, also of a strategy that was deleted."""
        found = await deps.desk.strategies.versions(strategy_id)
        if not found:
            raise not_found(f"strategy {strategy_id[:32]}")
        return StrategyVersions(items=found)

    @router.post("/{strategy_id}/preview")
    async def preview(strategy_id: str, body: PreviewBody, key: Annotated[ApiKey, may_read]) -> Previewed:
        """The template as a model would read it: in the account's newest context, else in a made-up one."""
        account = None if body.account_id is None else seen_account(deps, key, body.account_id)
        if body.strategy is not None:
            wanted = granted(given(TradingStrategy, body.strategy))
        else:
            wanted = found_strategy(strategy_id, await deps.desk.strategies.get(strategy_id)).body
        context = await deps.market.context(account.account_id) if account else None
        shown = context or samples(wanted, account)[1]
        try:
            text = deps.desk.strategies.render(wanted, shown)
        except TemplateFailed as error:
            raise invalid("body.strategy.prompt_template", str(error)) from error
        return Previewed(
            strategy_id=wanted.strategy_id,
            version=wanted.version,
            text=text,
            characters=len(text),
            estimated_tokens=-(-len(text) // CHARS_A_TOKEN),
            context_id=shown.context_id,
        )


def _changes(router: APIRouter, deps: Deps) -> None:
    may_trade = Depends(key_with(deps, Scope.TRADE))

    @router.post("/custom", status_code=201)
    async def custom(body: StrategyBody, key: Annotated[ApiKey, may_trade], response: Response) -> TradingStrategy:
        """Store a new strategy. It is checked and its template tried before."""
        wanted = granted(given(TradingStrategy, body.strategy))
        stored = granted(await deps.desk.strategies.add(wanted, by(key, body.reason)))
        tagged(response, stored)
        response.headers["Location"] = f"{router.prefix}/{stored.body.strategy_id}"
        return stored.body

    @router.put("/{strategy_id}")
    async def change(
        strategy_id: str,
        body: StrategyBody,
        key: Annotated[ApiKey, may_trade],
        response: Response,
        if_match: Match = None,
    ) -> TradingStrategy:
        """A new version with these fields; the rest stays. It holds from the next context of its accounts on."""
        found_strategy(strategy_id, await deps.desk.strategies.get(strategy_id))
        may_change(deps, key, strategy_id)
        made = deps.desk.strategies.change(
            strategy_id, body.strategy, by(key, body.reason), version=version_of(if_match)
        )
        stored = granted(await made)
        tagged(response, stored)
        return stored.body

    @router.delete("/{strategy_id}", status_code=204)
    async def delete(
        strategy_id: str,
        key: Annotated[ApiKey, may_trade],
        reason: Annotated[Reason, Query()],
        if_match: Match = None,
    ) -> None:
        """Remove a strategy that no account has. Its versions stay readable."""
        found_strategy(strategy_id, await deps.desk.strategies.get(strategy_id))
        may_change(deps, key, strategy_id)
        granted(await deps.desk.strategies.delete(strategy_id, by(key, reason), version=version_of(if_match)))


def _of_accounts(router: APIRouter, deps: Deps) -> None:
    may_read, may_trade = Depends(key_with(deps, Scope.READ)), Depends(key_with(deps, Scope.TRADE))

    @router.get("/account/{account_id}")
    async def assigned(account_id: str, key: Annotated[ApiKey, may_read]) -> Assignments:
        """The account's strategy, and when it got which, by whom and why: the last 64 changes of the account."""
        account = seen_account(deps, key, account_id)
        found = assignments(await deps.desk.store.history(account_key(account_id)))
        history = [
            StrategyAssignment(strategy_id=name, account_version=version, who=who.who, why=who.why, at=at)
            for at, who, name, version in found
        ]
        return Assignments(account_id=account_id, strategy_id=account.strategy_id, history=history)

    @router.post("/account/{account_id}/switch")
    async def switch(
        account_id: str,
        body: SwitchBody,
        key: Annotated[ApiKey, may_trade],
        response: Response,
        if_match: Match = None,
    ) -> ChangedAccount:
        """Another strategy from the account's next context on; a decision in flight ends with the one it began with."""
        seen_account(deps, key, account_id)
        who, version = by(key, body.reason), version_of(if_match)
        state = deps.accounts.state(account_id)
        made = deps.desk.accounts.assign(account_id, body.strategy_id, who, state=state, version=version)
        stored = granted(await made)
        tagged(response, stored)
        return ChangedAccount(account=stored.body, warnings=stored.warnings)


def _shown(one: TradingStrategy) -> dict[str, object]:
    return one.model_dump(include=set(StrategySummary.model_fields) - {"accounts"})
