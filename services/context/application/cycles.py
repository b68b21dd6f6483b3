"""By the clock: minutes are closed, triggers fire, and decisions that never ended are given up."""

import asyncio
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta

from libs.runtime import tracing
from libs.runtime.emit import Emit
from libs.runtime.errors import Conflict, Unavailable
from libs.runtime.failpoints import hit
from libs.schemas import subjects
from libs.schemas.account import Account
from libs.schemas.base import Timeframe
from libs.schemas.context import DecisionRequest
from libs.schemas.inflight import InFlight
from services.context.application.building import settle
from services.context.application.ends import give_up
from services.context.domain import causes
from services.context.domain.causes import NewestPrice
from services.context.domain.doubts import alert_of
from services.context.domain.inflight import known, overdue
from services.context.domain.triggers import MAX_AGE_S, Asked, Closed, due, fires, interval, ordered, request
from services.context.ports import Deps

_CYCLE_S = 0.25
_SHORTEST_S = 0.05
_AT_ONCE = 32  # triggers of as many accounts are published side by side: no account waits for another's answer
log = logging.getLogger(__name__)


async def run_cycles(deps: Deps) -> None:
    """Close candles by the clock and publish triggers, for ever."""
    while True:
        try:
            await cycle(deps)
        except Unavailable as error:
            log.warning("triggers wait for NATS: %r", error)
        await asyncio.sleep(deps.steps.pause_s or max(_SHORTEST_S, min(_CYCLE_S, 1 / deps.clock.speed)))


async def cycle(deps: Deps) -> None:
    if not await deps.steps.ready():
        return
    now, sequence = deps.clock.now(), deps.steps.sequence
    await settle(deps, now)
    wall = deps.clock.wall()
    for key, slot in list(deps.places.all().items()):
        if overdue(slot, wall):
            await give_up(deps, key, slot)
    await _alert(deps, now)
    fired = list(due_now(deps, now))
    for some in _batched(fired, _AT_ONCE):
        for failure in await asyncio.gather(*(_fire(deps, body) for body in some), return_exceptions=True):
            if failure is not None:
                raise failure
    if not deps.market.unclosed(now):
        await deps.steps.looked(now, sequence)


async def _alert(deps: Deps, now: datetime) -> None:
    """Tell what is doubtful about symbols; every replica tells the same, which is stored once."""
    doubts = deps.market.doubts.take()
    try:
        await deps.publisher.publish_many(
            [Emit(subjects.alert_raised(None), alert_of(doubt, now), doubt.symbol) for doubt in doubts]
        )
    except Unavailable:
        deps.market.doubts.put_back(doubts)
        raise


def _batched(bodies: list[DecisionRequest], size: int) -> Iterator[list[DecisionRequest]]:
    return (bodies[n : n + size] for n in range(0, len(bodies), size))


async def _fire(deps: Deps, body: DecisionRequest) -> None:
    """Publish a trigger, unless a request was stored meanwhile that nobody here knew of: then it is looked at anew."""
    name = body.account_id
    try:
        with tracing.span(f"trigger {body.trigger.kind}", attributes={"perpetua.correlation_id": body.request_id}):
            stored = await deps.publisher.publish(
                Emit(subjects.decision_requested(name), body, body.request_id), last=deps.requests.sequence(name)
            )
    except Conflict:
        await deps.requests.refresh(name)
        return
    hit("context.after_trigger")
    deps.requests.note(body, stored.seq)
    if not stored.duplicate:
        deps.meter.triggered(body.trigger.kind)


def due_now(deps: Deps, now: datetime) -> Iterator[DecisionRequest]:
    """Requests of all triggers that fire now, one of an account at most: the next cycle looks at what that leaves."""
    quotes, closed = _quotes(deps, now), _closed(deps, now)
    fresh = {symbol: quote for symbol, quote in quotes.items() if not deps.market.stale(symbol, now)}
    for account in deps.config.accounts.values():
        strategy = deps.config.strategy(account.strategy_id)
        if strategy is None or account.status != "active" or not quotes.keys() & account.symbols:
            continue  # without any tick yet there is no market whose intervals could close
        timeframe = ordered(strategy.timeframe_preference)[0]
        found = _other(deps, account, timeframe, fresh, now)
        if found is None:
            fired = due(account, strategy, deps.requests.of(account.account_id), closed, now, deps.limits.spread)
            found = request(fired) if fired else None
        if found is not None:
            yield found


def _other(
    deps: Deps, account: Account, timeframe: Timeframe, quotes: dict[str, NewestPrice], now: datetime
) -> DecisionRequest | None:
    """The trigger beside the interval that fires now, the one that matters most where there are several."""
    place = deps.places.seen(subjects.inflight_key(account.account_id))
    slot, asked = place.slot if place else None, deps.requests.of(account.account_id)
    found = [causes.executed(account, deps.positions.executed(account.account_id), slot)]
    if not _on_its_way(asked, slot, now):
        catch_up = interval(timeframe) + timedelta(seconds=MAX_AGE_S)
        found.append(causes.moved(account, slot, quotes, catch_up, now))
        state = deps.states.get(account.account_id)
        found.append(causes.funding_near(account, state, slot, deps.market.next_funding, now))
    done = known(slot) if slot else frozenset()
    for cause in found:
        if cause is None or cause.request_id in done:
            continue
        planned = fires(cause, account, timeframe, asked, now)
        if planned is not None:
            return causes.request(cause, planned, planned + interval(timeframe))
    return None


def _on_its_way(asked: Asked | None, slot: InFlight | None, now: datetime) -> bool:
    """Whether a request is published that has no place yet: its context will be made from the newest facts."""
    if asked is None or asked.latest is None or asked.until is None or now >= asked.until:
        return False
    return slot is None or asked.latest not in known(slot)


def _quotes(deps: Deps, now: datetime) -> dict[str, NewestPrice]:
    found = {}
    for track in deps.market.tracks():
        price = track.value(deps.market.bounds.max_tick_age)
        at = datetime.fromtimestamp(track.newest, now.tzinfo)
        found[track.tick.symbol] = NewestPrice(price, at)
    return found


def _closed(deps: Deps, now: datetime) -> Closed:
    def closed(symbol: str, timeframe: Timeframe, close_time: int) -> bool:
        market = deps.market
        return (
            market.closed(symbol, timeframe, close_time)
            or market.stale(symbol, now)
            or market.passed(symbol, close_time)  # it holds a gap
        )

    return closed
