"""A ccxt.pro exchange as the live feed uses it, with rows that the test queues. Its shapes follow ccxt's manual."""

import asyncio
from collections import defaultdict
from typing import Any


class ExchangeError(Exception):
    """The base of its errors."""


class LiveExchange:
    def __init__(self, symbols: tuple[str, ...] = ("BTC/USDT:USDT",), server_ms: int = 0) -> None:
        self.markets: Any = {name: {} for name in symbols}
        self.server_ms = server_ms
        self.bars: list[list[float]] = []
        self.queues: defaultdict[str, asyncio.Queue[Any]] = defaultdict(asyncio.Queue)
        self.asked: list[tuple[Any, ...]] = []
        self.away = False
        self.closed = 0

    def _check(self) -> None:
        if self.away:
            raise ExchangeError("away")

    async def load_markets(self) -> Any:
        self._check()
        return self.markets

    async def fetch_time(self) -> Any:
        return self.server_ms

    async def fetch_ohlcv(self, symbol: str, timeframe: str, since: int, limit: int) -> Any:
        self._check()
        self.asked.append((symbol, timeframe, since, limit))
        if timeframe != "1m":
            return []
        return [row for row in self.bars if row[0] >= since][:limit]

    async def fetch_open_interest(self, symbol: str) -> Any:
        return {"openInterestAmount": 12.5}

    async def watch_trades_for_symbols(self, symbols: list[str]) -> Any:
        return await self._next("trades")

    async def watch_mark_prices(self, symbols: list[str]) -> Any:
        return await self._next("marks")

    async def watch_tickers(self, symbols: list[str]) -> Any:
        return await self._next("tickers")

    async def _next(self, kind: str) -> Any:
        found = await self.queues[kind].get()
        if isinstance(found, Exception):
            raise found
        return found

    async def close(self) -> None:
        self.closed += 1
