"""The market of now from the log: the newest tick of a symbol, the newest context of an account."""

import asyncio
from collections.abc import Iterable
from datetime import datetime

import nats.js.errors
from nats.js.api import RawStreamMsg
from pydantic import ValidationError

from libs.risk.marks import Mark, after_tick
from libs.runtime.bus import NATS_SILENT, Bus
from libs.runtime.errors import Unavailable
from libs.runtime.reader import Record, Start, read_all
from libs.schemas.base import Timeframe
from libs.schemas.context import TradingContext
from libs.schemas.market import Candle, MarketTick
from libs.schemas.names import key_of
from libs.schemas.subjects import CANDLES, CONTEXTS, MARKET, candle, context_built, tick
from services.gateway.domain.problems import Away


class NatsMarket:
    """Asked for when a client asks: the gateway follows no ticks."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def marks(self, symbols: Iterable[str]) -> dict[str, Mark]:
        wanted = tuple(symbols)
        found = await asyncio.gather(*(self._mark(symbol) for symbol in wanted))
        return {symbol: mark for symbol, mark in zip(wanted, found, strict=True) if mark is not None}

    async def tick(self, symbol: str) -> MarketTick | None:
        message = await self._last(MARKET.name, tick(symbol))
        try:
            return MarketTick.model_validate_json(message.data or b"") if message else None
        except ValidationError:
            return None

    async def candles(self, symbol: str, timeframe: Timeframe, limit: int) -> list[Candle]:
        """Of a candle that was told anew the newest one in the log counts."""
        found: dict[datetime, Candle] = {}

        def take(record: Record) -> None:
            try:
                told = Candle.model_validate_json(record.data)
            except ValidationError:
                return  # somebody published what is no candle
            found[told.open_time] = told

        self._require_connection()
        try:
            await read_all(self._bus, CANDLES.name, [candle(symbol, timeframe)], take, start=Start.all())
        except Unavailable as error:
            raise Away("NATS") from error
        return [found[at] for at in sorted(found)[-limit:]]

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

    def _require_connection(self) -> None:
        if not self._bus.nc.is_connected:
            raise Away("NATS")

    async def _last(self, stream: str, subject: str) -> RawStreamMsg | None:
        self._require_connection()
        try:
            return await self._bus.js.get_last_msg(stream, subject, direct=True)
        except nats.js.errors.NotFoundError:
            return None
        except NATS_SILENT as error:
            raise Away("NATS") from error
