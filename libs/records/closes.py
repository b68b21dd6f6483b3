"""Closing prices from the log of candles, as far back as it goes: 25 hours of minutes, two months of hours."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime

import orjson

from libs.analytics.forward import Closes
from libs.runtime.bus import NATS_SILENT, Bus
from libs.runtime.errors import Unavailable
from libs.runtime.reader import OrderedReader, Record, Start
from libs.schemas import subjects

TIMEFRAMES = ("1m", "5m", "15m", "1h")
READ_TIMEOUT_S = 30.0


async def closes(bus: Bus, symbols: Iterable[str], since: datetime) -> dict[str, Closes]:
    """By symbol. Raises Unavailable while NATS is away."""
    found: dict[str, list[tuple[datetime, float]]] = {symbol: [] for symbol in symbols}

    def take(record: Record) -> None:
        body = orjson.loads(record.data)
        at = datetime.fromisoformat(body["close_time"])
        if at >= since:
            found[body["symbol"]].append((at, float(body["close"])))

    filters = [subjects.candle(symbol, timeframe) for symbol in found for timeframe in TIMEFRAMES]
    if filters:
        await _read(bus, filters, take)
    return {symbol: Closes.of(known) for symbol, known in found.items()}


async def _read(bus: Bus, filters: list[str], take: Callable[[Record], None]) -> None:
    reader = OrderedReader(bus, subjects.CANDLES.name, filters, take, start=Start.all())
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            await reader.start()
            await reader.caught_up()
    except NATS_SILENT as error:
        raise Unavailable(f"the candles cannot be read: {error!r}") from error
    finally:
        await reader.stop()
