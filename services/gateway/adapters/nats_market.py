"""The market of now: the price of a symbol that counts, as the validator follows it, and the newest stored context."""

import asyncio
from collections.abc import Iterable
from datetime import datetime

import nats.js.errors
from nats.js.api import RawStreamMsg
from pydantic import ValidationError

from libs.risk.facts import known
from libs.risk.marks import Mark
from libs.runtime.bus import NATS_SILENT, Bus
from libs.runtime.errors import Unavailable
from libs.runtime.marks import LatestMarks
from libs.runtime.reader import Record, Start, read_all
from libs.schemas.base import Timeframe
from libs.schemas.context import TradingContext
from libs.schemas.market import Candle, MarketTick
from libs.schemas.names import key_of
from libs.schemas.subjects import CANDLES, CONTEXTS, MARKET, candle, context_built, tick
from services.gateway.adapters.connected import require_connection
from services.gateway.domain.problems import Away

PATIENCE_S = 5.0  # for ticks that are stored and not read yet; longer than a reader takes to be made anew


class NatsMarket:
    """Ticks are followed: which of them count is known from those before. Contexts are read when a client asks."""

    def __init__(self, bus: Bus, followed: LatestMarks) -> None:
        self._bus = bus
        self._followed = followed

    async def marks(self, symbols: Iterable[str]) -> dict[str, Mark]:
        """Every tick that was stored before the question has been heard, or Away is raised."""
        wanted = tuple(symbols)
        stored = await asyncio.gather(*(self._last(MARKET.name, tick(symbol)) for symbol in wanted))
        await self._read_to(max((message.seq or 0 for message in stored if message), default=0))
        return known(self._followed.get, wanted)

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

        require_connection(self._bus)
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

    async def _read_to(self, sequence: int) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._followed.reached(sequence)
        except TimeoutError as error:
            raise Away("NATS") from error

    async def _last(self, stream: str, subject: str) -> RawStreamMsg | None:
        require_connection(self._bus)
        try:
            return await self._bus.js.get_last_msg(stream, subject, direct=True)
        except nats.js.errors.NotFoundError:
            return None
        except NATS_SILENT as error:
            raise Away("NATS") from error
