"""By the clock: minutes are closed, triggers fire, and decisions that never ended are given up."""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from libs.runtime import tracing
from libs.runtime.emit import Emit
from libs.runtime.errors import Conflict, Unavailable
from libs.runtime.failpoints import hit
from libs.schemas import subjects
from libs.schemas.account import Account
from libs.schemas.base import Timeframe
from libs.schemas.context import DecisionRequest
from libs.schemas.kv_keys import inflight_key
from libs.schemas.strategy import TradingStrategy
from services.context.application.building import settle
from services.context.application.ends import give_up
from services.context.domain import causes
from services.context.domain.causes import Cause, NewestPrice
from services.context.domain.doubts import alert_of
from services.context.domain.inflight import known, overdue
from services.context.domain.lulls import AccountStanding, Lull, quiet_beside
from services.context.domain.triggers import (
    MAX_AGE_S,
    Closed,
    due,
    fires,
    interval,
    on_its_way,
    ordered,
    quiet_until,
    request,
)
from services.context.ports import Deps

_CYCLE_S = 0.25
_SHORTEST_S = 0.05
_AT_ONCE = 32  # triggers of as many accounts are published side by side: no account waits for another's answer
LOOKED_AT = 50  # accounts in one step of the event loop: some two milliseconds where all of them need a look
T = TypeVar("T")
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
    fired: list[DecisionRequest] = []
    look = market_look(deps, now)
    for part in _batched(list(deps.config.accounts.values()), LOOKED_AT):
        fired += due_among(deps, look, part)
        await asyncio.sleep(0)  # the loop is others' too: a look at many accounts is taken in steps
    deps.lulls.forget_others(deps.config.accounts)
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


def _batched(items: list[T], size: int) -> Iterator[list[T]]:
    return (items[n : n + size] for n in range(0, len(items), size))


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


@dataclass(frozen=True, slots=True)
class MarketLook:
    """The market as a look at all accounts sees it; `fresh` are the quotes that are not too old."""

    now: datetime
    quotes: Mapping[str, NewestPrice]
    fresh: Mapping[str, NewestPrice]
    closed: Closed


def market_look(deps: Deps, now: datetime) -> MarketLook:
    quotes = _quotes(deps, now)
    fresh = {symbol: quote for symbol, quote in quotes.items() if not deps.market.stale(symbol, now)}
    return MarketLook(now, quotes, fresh, _closed(deps, now))


def due_now(deps: Deps, now: datetime) -> Iterator[DecisionRequest]:
    """Requests of all triggers that fire now, one of an account at most: the next cycle looks at what that leaves."""
    return due_among(deps, market_look(deps, now), deps.config.accounts.values())


def due_among(deps: Deps, look: MarketLook, accounts: Iterable[Account]) -> Iterator[DecisionRequest]:
    now = look.now
    for account in accounts:
        strategy = deps.config.strategy(account.strategy_id)
        if strategy is None or account.status != "active" or look.quotes.keys().isdisjoint(account.symbols):
            continue  # without any tick yet there is no market whose intervals could close
        standing = _standing(deps, account, strategy)
        if deps.lulls.holds(account.account_id, standing, look.fresh, now):
            continue
        beside, cause = _beside(deps, standing, look.fresh, now)
        if beside is None and (fired := due(account, strategy, standing.asked, look.closed, now, deps.limits.spread)):
            beside = request(fired)
        if beside is not None:
            yield beside
        else:
            _note(deps, standing, cause, now)


def _standing(deps: Deps, account: Account, strategy: TradingStrategy) -> AccountStanding:
    name = account.account_id
    place = deps.places.seen(inflight_key(name))
    state = deps.states.get(name) if account.funding_near_min else None
    slot = place.slot if place else None
    return AccountStanding(account, strategy, deps.requests.of(name), slot, deps.positions.executed(name), state)


def _beside(
    deps: Deps, standing: AccountStanding, quotes: Mapping[str, NewestPrice], now: datetime
) -> tuple[DecisionRequest | None, Cause | None]:
    """The trigger beside the interval that fires now, the one that matters most where there are several; and the
    executed stop or target that was looked at."""
    account, slot, asked = standing.account, standing.slot, standing.asked
    timeframe = ordered(standing.strategy.timeframe_preference)[0]
    looked_at = [executed := causes.executed(account, standing.event, slot)]
    if not on_its_way(asked, slot, now):
        catch_up = interval(timeframe) + timedelta(seconds=MAX_AGE_S)
        looked_at.append(causes.moved(account, slot, quotes, catch_up, now))
        looked_at.append(causes.funding_near(account, standing.state, slot, deps.market.next_funding, now))
    done = known(slot) if slot else frozenset()
    for cause in looked_at:
        if cause is None or cause.request_id in done:
            continue
        planned = fires(cause, account, timeframe, asked, now)
        if planned is not None:
            return causes.request(cause, planned, planned + interval(timeframe)), executed
    return None, executed


def _note(deps: Deps, standing: AccountStanding, executed: Cause | None, now: datetime) -> None:
    """Remember how long nothing can be due, where that is known."""
    account, asked = standing.account, standing.asked
    if standing.state is not None and standing.state.positions:
        return  # funding comes when the market says so
    until, bands = quiet_beside(standing, executed, now)
    until = min(until, quiet_until(account, standing.strategy, asked, now, deps.limits.spread))
    if until > now:
        deps.lulls.note(account.account_id, Lull(standing, now, until, bands))


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
