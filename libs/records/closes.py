"""Closing prices from the log of candles, as far back as it goes: 25 hours of minutes, two months of hours."""

from collections.abc import Iterable
from datetime import datetime

import orjson

from libs.analytics.forward import Closes
from libs.runtime.bus import Bus
from libs.runtime.reader import Record, Start, read_all
from libs.schemas import subjects

TIMEFRAMES = ("1m", "5m", "15m", "1h")


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
        await read_all(bus, subjects.CANDLES.name, filters, take, start=Start.all())
    return {symbol: Closes.of(known) for symbol, known in found.items()}
