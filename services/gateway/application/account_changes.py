"""Accounts are made and changed, and given other strategies."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from libs.configuration.configuration import ConfigEntry, given
from libs.records.keys import ApiKey
from libs.schemas.account import Account
from services.gateway.application.access import seen_account
from services.gateway.application.changes import by, granted
from services.gateway.application.claiming import Use, once
from services.gateway.application.strategy_access import usable_strategy
from services.gateway.domain.configuring import AccountBody, NewAccountBody, SwitchBody, as_text
from services.gateway.domain.problems import invalid
from services.gateway.ports import Deps

_CHANGED: TypeAdapter[ConfigEntry[Account]] = TypeAdapter(ConfigEntry[Account])


async def added(deps: Deps, key: ApiKey, body: NewAccountBody, idempotency_key: str | None) -> ConfigEntry[Account]:
    """A new account. A key for certain accounts may make those that it names."""
    wanted = granted(given(Account, _completed(deps, body.account)), "account")
    if not key.sees(wanted.account_id):
        raise invalid("body.account.account_id", "this key is not for an account of that name")
    await usable_strategy(deps, key, wanted.strategy_id)

    async def add() -> ConfigEntry[Account]:
        return granted(await deps.desk.accounts.add(wanted, by(key, body.reason)), "account")

    return await once(deps, Use(key, idempotency_key, f"account:{body.model_dump_json()}"), _CHANGED, add)


def _completed(deps: Deps, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """An account may be called by a number; the symbols are those of ASSETS where it names none."""
    completed: dict[str, Any] = {"symbols": list(deps.symbols)} if deps.symbols else {}
    completed |= fields
    return completed | ({"account_id": as_text(fields["account_id"])} if "account_id" in fields else {})


async def removed(deps: Deps, key: ApiKey, account_id: str, reason: str, version: int | None) -> None:
    """Takes away an account that is stopped and flat; its history stays."""
    seen_account(deps, key, account_id)
    state = deps.accounts.state(account_id)
    refusal = await deps.desk.accounts.remove(account_id, by(key, reason), state=state, version=version)
    granted(refusal)


async def changed(
    deps: Deps, key: ApiKey, account_id: str, body: AccountBody, version: int | None
) -> ConfigEntry[Account]:
    """Other fields; what is not named stays."""
    seen_account(deps, key, account_id)
    strategy_id = body.account.get("strategy_id")
    if isinstance(strategy_id, str):
        await usable_strategy(deps, key, strategy_id)
    state, who = deps.accounts.state(account_id), by(key, body.reason)
    made = await deps.desk.accounts.change(account_id, body.account, who, state=state, version=version)
    return granted(made, "account")


async def switched(
    deps: Deps, key: ApiKey, account_id: str, body: SwitchBody, version: int | None, idempotency_key: str | None
) -> ConfigEntry[Account]:
    """Another strategy; where no reason is given it is the key that wanted it."""
    seen_account(deps, key, account_id)
    await usable_strategy(deps, key, body.strategy_id)
    who = by(key, body.reason or f"no reason given; asked for by the key {key.name[:60]}")

    async def assign() -> ConfigEntry[Account]:
        state = deps.accounts.state(account_id)
        made = deps.desk.accounts.assign(account_id, body.strategy_id, who, state=state, version=version)
        return granted(await made)

    content = f"switch:{account_id}:{version}:{body.model_dump_json()}"
    return await once(deps, Use(key, idempotency_key, content), _CHANGED, assign)
