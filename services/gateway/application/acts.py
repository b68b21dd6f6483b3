"""Acts by hand are asked for, and watched until the account has carried them out or a second is over."""

import asyncio
import hashlib
from http import HTTPStatus

from libs.configuration.acts import act_requested, carried_through, meant, outcome_of, pinned
from libs.records.keys import ApiKey
from libs.schemas.acts import Act, ActReason, CancelAct
from libs.schemas.names import key_of
from services.gateway.application.access import seen_account
from services.gateway.application.claiming import named_once
from services.gateway.domain.acts import ActTaken, taken
from services.gateway.domain.controls import control_id
from services.gateway.domain.problems import Refusal, RequestRefused
from services.gateway.ports import Deps

LOOKS, LOOK_S = 50, 0.02


async def acted(
    deps: Deps, key: ApiKey, account_id: str, act: Act, reason: str, idempotency_key: str | None
) -> ActTaken:
    """What came of it within a second. A repeated Idempotency-Key is the same act, and told what that one came to."""
    seen_account(deps, key, account_id)

    async def publish(name: str) -> None:
        there = meant(act, deps.accounts.state(account_id))
        if there is None and not isinstance(act, CancelAct):
            raise refusal(ActReason.NO_POSITION, f"{account_id} has no open position in {act.symbol}")
        emit = act_requested(name, key_of(account_id), pinned(act, there), key.signature, reason, deps.clock.wall())
        await deps.log.publish(emit, {})

    content = hashlib.sha256(f"act:{account_id}:{reason}:{act.model_dump_json()}".encode()).hexdigest()
    name = await named_once(deps, key, idempotency_key, content, control_id, publish)
    return await _answered(deps, account_id, act, name)


async def _answered(deps: Deps, account_id: str, act: Act, name: str) -> ActTaken:
    state = deps.accounts.state(account_id)
    for _ in range(LOOKS):
        if carried_through(outcome_of(name, state), state):
            break
        await asyncio.sleep(LOOK_S)
        state = deps.accounts.state(account_id)
    outcome = outcome_of(name, state)
    if outcome is not None and outcome.reason is not None:
        raise refusal(outcome.reason, outcome.message)
    return taken(name, account_id, act, outcome, meant(act, state))


def refusal(reason: ActReason, message: str) -> RequestRefused:
    """The account does not allow it, as it is now: the slug says why."""
    slug = f"act-{reason.value.replace('_', '-')}"
    return RequestRefused(Refusal(HTTPStatus.CONFLICT, slug, message))
