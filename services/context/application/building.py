"""A request's context, or the reason why there is none."""

from datetime import datetime

from libs.runtime.emit import Emit, Emits
from libs.runtime.errors import Later
from libs.runtime.failpoints import hit
from libs.schemas import subjects
from libs.schemas.account import Account
from libs.schemas.base import AccountId
from libs.schemas.context import DecisionRequest
from libs.schemas.kv_keys import inflight_key
from libs.schemas.memory import PastVerdict
from libs.schemas.reasons import RejectReason
from libs.schemas.strategy import TradingStrategy
from services.context.domain.arms import assign
from services.context.domain.context import ContextRefusal, Subject, alert, build, rejected
from services.context.ports import Deps

_DRAIN_PATIENCE_S = 1.0


async def answer(deps: Deps, body: DecisionRequest, version: int = 0, deliveries: int | None = None) -> Emits:
    """The context of a request, or its rejection. The account is shown at `version` or later.

    `deliveries` counts those of the message in hand; None when there is none that could come again. Raises Later.
    """
    began = deps.clock.monotonic()
    found = subject_of(deps, body, version, deliveries)
    if isinstance(found, ContextRefusal):
        return refuse(deps, body, found)
    await deps.log.follow(found.strategy.timeframe_preference)
    await settle(deps, deps.clock.now())
    now, building = deps.clock.now(), deps.clock.monotonic()
    made = build(body, found, deps.market, deps.studies, now)
    ended = deps.clock.monotonic()
    deps.meter.built(ended - building)
    if isinstance(made, ContextRefusal):
        return refuse(deps, body, made)
    deps.meter.ended("built")
    hit("context.before_publish")
    arms = assign(deps.config.experiments.values(), made)
    made = made.model_copy(update={"build_ms": (ended - began) * 1000, "assignment": arms})
    built = Emit(subjects.context_built(body.account_id), made)
    return (built, Emit(subjects.context_shadowed(body.account_id), made)) if arms.shadows else (built,)


def refuse(deps: Deps, body: DecisionRequest, refusal: ContextRefusal) -> Emits:
    now = deps.clock.now()
    deps.meter.ended(refusal.reason.value)
    hit("context.before_reject")
    end = Emit(subjects.decision_rejected(body.account_id), rejected(body, refusal, now))
    if refusal.reason is not RejectReason.NO_MARKET:
        return (end,)
    return end, Emit(subjects.alert_raised(body.account_id), alert(body, refusal, now), body.request_id)


def configured(deps: Deps, body: DecisionRequest) -> tuple[Account, TradingStrategy] | ContextRefusal:
    """Whom the request is about, by the configuration as it is now."""
    if deps.clock.now() >= body.expires_at:
        return ContextRefusal(RejectReason.EXPIRED, f"the request was valid until {body.expires_at.isoformat()}")
    account = deps.config.account(body.account_id)
    if account is None:
        return ContextRefusal(RejectReason.UNKNOWN_ACCOUNT, f"no account {body.account_id} is configured")
    strategy_id = body.strategy_override or account.strategy_id
    strategy = deps.config.strategy(strategy_id)
    if strategy is None:
        return ContextRefusal(RejectReason.NO_STRATEGY, f"no strategy {strategy_id} is configured")
    return account, strategy


def subject_of(deps: Deps, body: DecisionRequest, version: int, deliveries: int | None) -> Subject | ContextRefusal:
    """The same with the account's state, which may come a little after a fill: then raises Later."""
    found = configured(deps, body)
    if isinstance(found, ContextRefusal):
        return found
    state = deps.states.get(body.account_id)
    if state is not None and state.version >= version:
        deps.patience.found(body.account_id)
        return Subject(*found, state, _verdicts(deps, body.account_id))
    have = None if state is None else state.version
    if deliveries is not None:
        seconds = deps.patience.later(body.account_id, have, deliveries, deps.clock.monotonic())
        if seconds is not None:
            raise Later(seconds)
    if have is None:
        return ContextRefusal(RejectReason.NO_STATE, "the executor has not published the account's state")
    what = f"version {version} of the account, {have} is the newest"
    return ContextRefusal(RejectReason.NO_STATE, f"the executor has not published {what}", have)


def _verdicts(deps: Deps, account_id: AccountId) -> tuple[PastVerdict, ...]:
    """What the rules said of the account's last decisions, as this process knows it."""
    place = deps.places.seen(inflight_key(account_id, dry_run=False))
    return () if place is None else place.slot.verdicts


async def settle(deps: Deps, now: datetime) -> None:
    """Close the minutes that ended, once every tick that is stored has been folded in."""
    if deps.market.unclosed(now) and await deps.log.drained(_DRAIN_PATIENCE_S):
        deps.market.close_due(now)
