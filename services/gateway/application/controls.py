"""Controls of trading are asked for, and watched until they have taken effect or a second is over."""

import asyncio
from http import HTTPStatus

from libs.configuration.controls import requested, still_to_do
from libs.records.keys import ApiKey
from libs.schemas.subjects import ALL_ACCOUNTS
from services.gateway.application.access import in_touch, seen_account
from services.gateway.application.claiming import named_once
from services.gateway.domain.controls import ControlBody, ControlTaken, control_id
from services.gateway.domain.problems import Refusal, RequestRefused
from services.gateway.ports import Deps

LOOKS, LOOK_S = 50, 0.02


async def control(
    deps: Deps, key: ApiKey, account_id: str, body: ControlBody, idempotency_key: str | None
) -> ControlTaken:
    """Set what an account may do."""
    _up_to_date(deps, body)
    seen_account(deps, key, account_id)
    return await _taken(deps, key, account_id, body, idempotency_key)


async def control_all(deps: Deps, key: ApiKey, body: ControlBody, idempotency_key: str | None) -> ControlTaken:
    """Set what every account may do, those that are made later included."""
    _up_to_date(deps, body)
    if key.accounts is not None:
        detail = "this API key is for certain accounts; control each of them, or take a key for all accounts"
        raise RequestRefused(Refusal(HTTPStatus.FORBIDDEN, "not-for-all-accounts", detail))
    return await _taken(deps, key, ALL_ACCOUNTS, body, idempotency_key)


async def _taken(deps: Deps, key: ApiKey, scope: str, body: ControlBody, idempotency_key: str | None) -> ControlTaken:
    name = await _sent(deps, key, scope, body, idempotency_key)
    waiting = _waiting(deps, scope, body)
    for _ in range(LOOKS):
        if not waiting:
            break
        await asyncio.sleep(LOOK_S)
        waiting = _waiting(deps, scope, body)
    return ControlTaken(control_id=name, scope=scope, state=body.state, waiting_for=waiting)


def _waiting(deps: Deps, scope: str, body: ControlBody) -> tuple[str, ...]:
    accounts = deps.accounts.accounts()
    names = [account.account_id for account in accounts] if scope == ALL_ACCOUNTS else [scope]
    return still_to_do(body.state, ((name, deps.accounts.state(name)) for name in names))


async def _sent(deps: Deps, key: ApiKey, scope: str, body: ControlBody, idempotency_key: str | None) -> str:
    """The id of the control once it is in the log. One that was stored before is not stored again."""

    async def publish(name: str) -> None:
        await deps.log.publish(requested(name, scope, body.state, key.signature, body.reason, deps.clock.wall()), {})

    return await named_once(deps, key, idempotency_key, f"{scope}:{body.fingerprint}", control_id, publish)


def _up_to_date(deps: Deps, body: ControlBody) -> None:
    """`active` is the one control that does not reduce risk: no key that may have been revoked gives it."""
    if body.state == "active":
        in_touch(deps)
