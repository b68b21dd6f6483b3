"""Market data: ticks of publishers onto the bus, and what the log holds."""

from libs.runtime.emit import Emit
from libs.schemas import subjects
from libs.schemas.base import Timeframe
from services.gateway.domain.market import CandleList, MarketNow, TicksBody, TicksTaken, refuse_unfit
from services.gateway.domain.problems import not_found
from services.gateway.ports import Deps


async def published(deps: Deps, body: TicksBody, trace: dict[str, str]) -> TicksTaken:
    """All in order, each stored before the next. Those with a `tick_id` are stored once, however often they come."""
    refuse_unfit(body.ticks, deps.clock.now(), deps.clock.speed)
    for tick in body.ticks:
        await deps.log.publish(Emit(subjects.tick(tick.symbol), tick), trace)
    return TicksTaken(taken=len(body.ticks))


async def newest(deps: Deps, symbol: str) -> MarketNow:
    """The newest tick in the log."""
    tick, now = await deps.market.tick(symbol), deps.clock.now()
    if tick is None:
        raise not_found(f"tick of {symbol}")
    age = None if tick.ts is None else max((now - tick.ts).total_seconds(), 0.0)
    return MarketNow(symbol=symbol, tick=tick, age_seconds=age, market_time=now)


async def candles(deps: Deps, symbol: str, timeframe: Timeframe, limit: int) -> CandleList:
    """The newest closed ones, oldest first. Nothing is known of a symbol or timeframe that nobody follows."""
    return CandleList(symbol=symbol, timeframe=timeframe, items=await deps.market.candles(symbol, timeframe, limit))
