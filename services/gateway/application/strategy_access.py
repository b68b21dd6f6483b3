"""Whose a strategy is: its text is for the keys whose accounts have it, for the key that made it, for keys of all
accounts."""

import re

from libs.records.keys import ApiKey
from services.gateway.domain.problems import RequestRefused, not_found
from services.gateway.ports import Deps

_BY_KEY = re.compile(r"\((key-[0-9a-f]{16})\)$")


async def seen_strategy(deps: Deps, key: ApiKey, strategy_id: str) -> None:
    """Refuses a strategy that the key may not read; to the caller it is not there."""
    if not await _is_its(deps, key, strategy_id):
        raise not_found(f"strategy {strategy_id[:32]}")


async def usable_strategy(deps: Deps, key: ApiKey, strategy_id: str, refusal: RequestRefused | None = None) -> None:
    """Refuses one that the key may not give to its accounts: what another key made for others would come to be read
    by it. Those of the house may be taken by everybody."""
    if not (await _is_its(deps, key, strategy_id) or await _maker(deps, strategy_id) is None):
        raise refusal or not_found(f"strategy {strategy_id[:32]}")


async def _is_its(deps: Deps, key: ApiKey, strategy_id: str) -> bool:
    if key.accounts is None:
        return True
    used = any(key.sees(one.account_id) for one in deps.accounts.accounts() if one.strategy_id == strategy_id)
    return used or await _maker(deps, strategy_id) == key.key_id


async def _maker(deps: Deps, strategy_id: str) -> str | None:
    """The key that made it; None for one that came by files or the command."""
    by = await deps.desk.strategies.maker(strategy_id)
    signed = _BY_KEY.search(by.who) if by else None
    return signed[1] if signed else None
