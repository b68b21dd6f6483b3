"""The feed's side of the bus: what it publishes, and what it published before."""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar

import nats.js.errors
from pydantic import ValidationError

from libs.runtime.bus import NATS_AWAY, Bus
from libs.runtime.emit import Emit
from libs.runtime.errors import Unavailable
from libs.schemas import subjects
from libs.schemas.base import Message
from libs.schemas.market import Candle, FundingUpdate, MarketClock, MarketTick
from services.feed.domain.timeframes import TIMEFRAMES
from services.feed.domain.timeline import Market
from services.feed.ports import Stored

M = TypeVar("M", bound=Message)


def _emit(event: Candle | FundingUpdate) -> Emit:
    if isinstance(event, Candle):
        return Emit(subjects.candle(event.symbol, event.timeframe), event)
    return Emit(subjects.funding(event.symbol), event)


class NatsDesk:
    """Publishes and looks up. Raises Unavailable while NATS is away."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def tick(self, tick: MarketTick) -> None:
        body = tick.model_dump_json(exclude_none=True).encode()
        await self._bus.publish_fast(subjects.tick(tick.symbol), body, tick.tick_id)

    async def store(self, events: Iterable[Candle | FundingUpdate]) -> None:
        await self._bus.publish_many(map(_emit, events))

    async def clock(self, clock: MarketClock) -> None:
        await self._bus.kv_put(subjects.KV_CLOCK.name, subjects.CLOCK_KEY, clock)

    async def clear_clock(self) -> None:
        await self._bus.kv_delete(subjects.KV_CLOCK.name, subjects.CLOCK_KEY)

    async def stored(self, market: Market) -> Stored:
        """The newest stored events of each symbol; ticks of another source on the same subject say nothing."""
        keys = [(symbol, timeframe) for symbol in market.symbols for timeframe in TIMEFRAMES]
        ticks = await asyncio.gather(*(self._last_tick(symbol, market.source) for symbol in market.symbols))
        candles = await asyncio.gather(
            *(self._last(subjects.CANDLES.name, subjects.candle(*key), Candle) for key in keys)
        )
        funding = await asyncio.gather(
            *(self._last(subjects.MARKET.name, subjects.funding(symbol), FundingUpdate) for symbol in market.symbols)
        )
        return Stored(
            ticks={symbol: at for symbol, at in zip(market.symbols, ticks, strict=True) if at},
            candles={key: last.close_time for key, last in zip(keys, candles, strict=True) if last},
            funding={symbol: last.funding_time for symbol, last in zip(market.symbols, funding, strict=True) if last},
        )

    async def _last_tick(self, symbol: str, source: str) -> datetime | None:
        tick = await self._last(subjects.MARKET.name, subjects.tick(symbol), MarketTick)
        ours = tick is not None and (tick.tick_id or "").startswith(f"{source}:{symbol}:")
        return tick.ts if tick is not None and ours else None

    async def _last(self, stream: str, subject: str, model: type[M]) -> M | None:
        try:
            message = await self._bus.js.get_last_msg(stream, subject, direct=True)
            return model.model_validate_json(message.data or b"")
        except (nats.js.errors.NotFoundError, ValidationError):
            return None
        except NATS_AWAY as error:
            raise Unavailable(f"NATS is away: {error!r}") from error
