"""The market of now from the log: the newest tick of a symbol, the newest context of an account."""

import asyncio
from collections.abc import Iterable

import nats.js.errors
from nats.js.api import RawStreamMsg
from pydantic import ValidationError

from libs.risk.marks import Mark, after_tick
from libs.runtime.bus import NATS_SILENT, Bus
from libs.schemas.context import TradingContext
from libs.schemas.market import MarketTick
from libs.schemas.names import key_of
from libs.schemas.subjects import CONTEXTS, MARKET, context_built, tick
from services.gateway.domain.problems import Away


class NatsMarket:
    """Asked for when a client asks: the gateway follows no ticks."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def marks(self, symbols: Iterable[str]) -> dict[str, Mark]:
        wanted = tuple(symbols)
        found = await asyncio.gather(*(self._mark(symbol) for symbol in wanted))
        return {symbol: mark for symbol, mark in zip(wanted, found, strict=True) if mark is not None}

    async def context(self, account_id: str) -> TradingContext | None:
        message = await self._last(CONTEXTS.name, context_built(key_of(account_id)))
        try:
            return TradingContext.model_validate_json(message.data or b"") if message else None
        except ValidationError:
            return None

    async def _mark(self, symbol: str) -> Mark | None:
        message = await self._last(MARKET.name, tick(symbol))
        try:
            return after_tick(None, MarketTick.model_validate_json(message.data or b"")) if message else None
        except ValidationError:
            return None  # somebody published what is no tick: the context worker dead-letters it

    async def _last(self, stream: str, subject: str) -> RawStreamMsg | None:
        if not self._bus.nc.is_connected:
            raise Away("NATS")
        try:
            return await self._bus.js.get_last_msg(stream, subject, direct=True)
        except nats.js.errors.NotFoundError:
            return None
        except NATS_SILENT as error:
            raise Away("NATS") from error
