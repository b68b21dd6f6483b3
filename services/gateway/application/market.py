"""Market data: ticks of publishers onto the bus, and what the log holds."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from libs.records.keys import ApiKey
from libs.runtime.emit import Emit
from libs.schemas import subjects
from libs.schemas.base import Timeframe
from libs.schemas.market import MarketTick
from libs.schemas.venue import VenueSymbol
from services.gateway.application.claiming import named_once
from services.gateway.domain.market import (
    CandleList,
    MarketNow,
    TicksBody,
    TicksTaken,
    named,
    refuse_unfit,
    ticks_id,
)
from services.gateway.domain.problems import not_found
from services.gateway.ports import Deps


@dataclass(frozen=True, slots=True)
class TicksCall:
    """Who publishes, the trace of the request, and the Idempotency-Key that came with it."""

    key: ApiKey
    trace: dict[str, str]
    idempotency_key: str | None = None


async def published(deps: Deps, body: TicksBody, call: TicksCall) -> TicksTaken:
    """All in order, each stored before the next. Those with a `tick_id` are stored once, however often they come; with
    an Idempotency-Key the others too."""
    refuse_unfit(body.ticks, deps.clock.now(), deps.clock.speed)
    if call.idempotency_key is None:
        await _publish(deps, body.ticks, call.trace)
        return TicksTaken(taken=len(body.ticks))

    async def publish(name: str) -> None:
        await _publish(deps, [named(tick, f"{name}-{n}") for n, tick in enumerate(body.ticks)], call.trace)

    content = hashlib.sha256(body.model_dump_json().encode()).hexdigest()
    await named_once(deps, call.key, call.idempotency_key, content, ticks_id, publish)
    return TicksTaken(taken=len(body.ticks))


async def _publish(deps: Deps, ticks: Sequence[MarketTick], trace: dict[str, str]) -> None:
    for tick in ticks:
        await deps.log.publish(Emit(subjects.tick(tick.symbol), tick), trace)


async def newest(deps: Deps, symbol: str) -> MarketNow:
    """The newest tick in the log."""
    tick, now = await deps.market.tick(symbol), deps.clock.now()
    if tick is None:
        raise not_found(f"tick of {symbol}")
    age = None if tick.ts is None else max((now - tick.ts).total_seconds(), 0.0)
    return MarketNow(symbol=symbol, tick=tick, age_seconds=age, market_time=now)


def rules(deps: Deps, venue: str, symbol: str) -> VenueSymbol:
    """Those of the venue for this symbol, or for any where it has none of its own."""
    known = deps.accounts.venue_symbol(venue, symbol)
    if known is None:
        raise not_found(f"market {symbol} at {venue}")
    return known


async def candles(deps: Deps, symbol: str, timeframe: Timeframe, limit: int) -> CandleList:
    """The newest closed ones, oldest first. Nothing is known of a symbol or timeframe that nobody follows."""
    return CandleList(symbol=symbol, timeframe=timeframe, items=await deps.market.candles(symbol, timeframe, limit))
