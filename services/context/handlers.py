"""Requests become contexts; closed intervals become requests."""

import asyncio
import logging
from datetime import datetime

from faststream.nats import NatsRouter

from libs.runtime.delivery import consume
from libs.runtime.emit import Emit, Emits
from libs.runtime.errors import Unavailable
from libs.runtime.failpoints import hit
from libs.schemas import subjects
from libs.schemas.base import Timeframe
from libs.schemas.context import DecisionRequest
from libs.schemas.reasons import RejectReason
from services.context.domain.context import Refusal, Subject, alert, build, rejected
from services.context.domain.triggers import Due, due, request
from services.context.ports import Deps

_STATE_POLL_S = 0.02
_DRAIN_PATIENCE_S = 1.0
_CYCLE_S = 0.25
log = logging.getLogger(__name__)


def routes(deps: Deps) -> NatsRouter:
    router = NatsRouter()

    async def on_request(body: DecisionRequest) -> Emits:
        return await answer(deps, body)

    consume(router, subjects.CONTEXT_REQUESTS, on_request, concurrency=deps.concurrency)
    return router


async def answer(deps: Deps, body: DecisionRequest) -> Emits:
    """The context of a request, or its rejection."""
    began = deps.clock.monotonic()
    found = await subject_of(deps, body)
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
    made = made.model_copy(update={"build_ms": (ended - began) * 1000})
    return (Emit(subjects.context_built(body.account_id), made),)


def refuse(deps: Deps, body: DecisionRequest, refusal: Refusal) -> Emits:
    now = deps.clock.now()
    deps.meter.ended(refusal.reason.value)
    hit("context.before_reject")
    end = Emit(subjects.decision_rejected(body.account_id), rejected(body, refusal, now))
    if refusal.reason is not RejectReason.NO_MARKET:
        return (end,)
    return end, Emit(subjects.alert_raised(body.account_id), alert(body, refusal, now), body.request_id)


async def subject_of(deps: Deps, body: DecisionRequest) -> Subject | Refusal:
    """Whom the request is about. An account's state may come a little after its configuration: it is waited for."""
    if deps.clock.now() >= body.expires_at:
        return Refusal(RejectReason.EXPIRED, f"the request was valid until {body.expires_at.isoformat()}")
    account = deps.config.account(body.account_id)
    if account is None:
        return Refusal(RejectReason.UNKNOWN_ACCOUNT, f"no account {body.account_id} is configured")
    strategy_id = body.strategy_override or account.strategy_id
    strategy = deps.config.strategy(strategy_id)
    if strategy is None:
        return Refusal(RejectReason.NO_STRATEGY, f"no strategy {strategy_id} is configured")
    deadline = deps.clock.monotonic() + deps.state_wait
    while (state := deps.states.get(body.account_id)) is None:
        if deps.clock.monotonic() >= deadline:
            return Refusal(RejectReason.NO_STATE, "the executor has not published the account's state")
        await asyncio.sleep(_STATE_POLL_S)
    return Subject(account, strategy, state)


async def settle(deps: Deps, now: datetime) -> None:
    """Close the minutes that ended, once every tick that is stored has been folded in."""
    if deps.market.unclosed(now) and await deps.log.drained(_DRAIN_PATIENCE_S):
        deps.market.close_due(now)


async def run_cycles(deps: Deps) -> None:
    """Close candles by the clock and publish interval triggers, for ever."""
    while True:
        await cycle(deps)
        await asyncio.sleep(max(0.01, min(_CYCLE_S, 1 / deps.clock.speed)))


async def cycle(deps: Deps) -> None:
    now = deps.clock.now()
    await settle(deps, now)
    for fired in due_now(deps, now):
        body = request(fired)
        try:
            await deps.publisher.publish(Emit(subjects.decision_requested(fired.account_id), body, body.request_id))
        except Unavailable as error:
            log.warning("the trigger %s of %s waits for NATS: %r", fired.cycle, fired.account_id, error)
            return
        hit("context.after_trigger")
        deps.requests.note(fired.account_id, fired.cycle, fired.planned)
        deps.meter.triggered()


def due_now(deps: Deps, now: datetime) -> list[Due]:
    def closed(symbol: str, timeframe: Timeframe, close_time: int) -> bool:
        return deps.market.closed(symbol, timeframe, close_time) or deps.market.stale(symbol, now)

    found = []
    for account in deps.config.accounts.values():
        strategy = deps.config.strategy(account.strategy_id)
        if strategy is None or not any(deps.market.track(symbol) for symbol in account.symbols):
            continue  # without any tick yet there is no market whose intervals could close
        fired = due(account, strategy, deps.requests.of(account.account_id), closed, now, deps.spread)
        if fired is not None:
            found.append(fired)
    return found
