"""A request's context, or the reason why there is none."""

import asyncio
from datetime import datetime

from libs.runtime.emit import Emit, Emits
from libs.runtime.failpoints import hit
from libs.schemas import subjects
from libs.schemas.account import Account, AccountState
from libs.schemas.context import DecisionRequest
from libs.schemas.reasons import RejectReason
from libs.schemas.strategy import TradingStrategy
from services.context.domain.arms import assign
from services.context.domain.context import Refusal, Subject, alert, build, rejected
from services.context.ports import Deps

_STATE_POLL_S = 0.02
_DRAIN_PATIENCE_S = 1.0


async def answer(deps: Deps, body: DecisionRequest, version: int = 0) -> Emits:
    """The context of a request, or its rejection. The account is shown at `version` or later."""
    began = deps.clock.monotonic()
    found = await subject_of(deps, body, version)
    if isinstance(found, Refusal):
        return refuse(deps, body, found)
    await deps.log.follow(found.strategy.timeframe_preference)
    await settle(deps, deps.clock.now())
    now, building = deps.clock.now(), deps.clock.monotonic()
    made = build(body, found, deps.market, deps.studies, now)
    ended = deps.clock.monotonic()
    deps.meter.built(ended - building)
    if isinstance(made, Refusal):
        return refuse(deps, body, made)
    deps.meter.ended("built")
    hit("context.before_publish")
    arms = assign(deps.config.experiments.values(), made)
    made = made.model_copy(update={"build_ms": (ended - began) * 1000, "assignment": arms})
    return (Emit(subjects.context_built(body.account_id), made),)


def refuse(deps: Deps, body: DecisionRequest, refusal: Refusal) -> Emits:
    now = deps.clock.now()
    deps.meter.ended(refusal.reason.value)
    hit("context.before_reject")
    end = Emit(subjects.decision_rejected(body.account_id), rejected(body, refusal, now))
    if refusal.reason is not RejectReason.NO_MARKET:
        return (end,)
    return end, Emit(subjects.alert_raised(body.account_id), alert(body, refusal, now), body.request_id)


def configured(deps: Deps, body: DecisionRequest) -> tuple[Account, TradingStrategy] | Refusal:
    """Whom the request is about, by the configuration as it is now."""
    if deps.clock.now() >= body.expires_at:
        return Refusal(RejectReason.EXPIRED, f"the request was valid until {body.expires_at.isoformat()}")
    account = deps.config.account(body.account_id)
    if account is None:
        return Refusal(RejectReason.UNKNOWN_ACCOUNT, f"no account {body.account_id} is configured")
    strategy_id = body.strategy_override or account.strategy_id
    strategy = deps.config.strategy(strategy_id)
    if strategy is None:
        return Refusal(RejectReason.NO_STRATEGY, f"no strategy {strategy_id} is configured")
    return account, strategy


async def subject_of(deps: Deps, body: DecisionRequest, version: int = 0) -> Subject | Refusal:
    """The same with the account's state, which may come a little after a fill: it is waited for."""
    found = configured(deps, body)
    if isinstance(found, Refusal):
        return found
    state = await _state(deps, body.account_id, version)
    return state if isinstance(state, Refusal) else Subject(*found, state)


async def _state(deps: Deps, account_id: str, version: int) -> AccountState | Refusal:
    if (state := _known(deps, account_id, version)) is not None:
        return state
    if deps.patience.full:
        return _lacking(deps, account_id, version)
    deps.patience.waiting += 1
    try:
        while (state := _known(deps, account_id, version)) is None:
            have = _version(deps, account_id)
            if deps.patience.lacks(account_id, have, deps.clock.monotonic()) <= 0:
                return _lacking(deps, account_id, version)
            await asyncio.sleep(_STATE_POLL_S)
        return state
    finally:
        deps.patience.waiting -= 1


def _known(deps: Deps, account_id: str, version: int) -> AccountState | None:
    """The account's state, if it is as new as wanted."""
    state = deps.states.get(account_id)
    if state is None or state.version < version:
        return None
    deps.patience.has(account_id)
    return state


def _version(deps: Deps, account_id: str) -> int | None:
    state = deps.states.get(account_id)
    return None if state is None else state.version


def _lacking(deps: Deps, account_id: str, version: int) -> Refusal:
    have = _version(deps, account_id)
    if have is None:
        return Refusal(RejectReason.NO_STATE, "the executor has not published the account's state")
    what = f"version {version} of the account, {have} is the newest"
    return Refusal(RejectReason.NO_STATE, f"the executor has not published {what}", have)


async def settle(deps: Deps, now: datetime) -> None:
    """Close the minutes that ended, once every tick that is stored has been folded in."""
    if deps.market.unclosed(now) and await deps.log.drained(_DRAIN_PATIENCE_S):
        deps.market.close_due(now)
