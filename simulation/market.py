"""A market by chance: history as candles, then ticks in the log, and how each process reads them."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from random import Random

from libs.runtime.errors import Unavailable
from libs.schemas import subjects
from libs.schemas.base import TIMEFRAME_SECONDS, Timeframe
from libs.schemas.market import Candle, FundingUpdate, MarketTick
from services.context.domain.market import MarketState
from services.context.domain.series import Source
from services.executor.ports import MarketEvent
from simulation.bus import LogReader, SimulatedBus
from simulation.jetstream import JetStreamServer, LoggedMessage
from simulation.process import BEGINS

FIRST = {"BTCUSDT": 60_000.0, "ETHUSDT": 3_000.0}
SOURCE = "simulation"
TICK_S = 1.0
HISTORY = 120


class RandomMarket:
    """`prices` are those of now."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.prices = dict(FIRST)

    def tick(self, symbol: str, at: datetime) -> MarketTick:
        price = self.prices[symbol] = round(self.prices[symbol] * (1 + self._random.gauss(0, 0.0002)), 2)
        return MarketTick(
            symbol=symbol,
            price=price,
            ts=at,
            bid=round(price * 0.9999, 2),
            ask=round(price * 1.0001, 2),
            size=5.0,
            span_volume=500.0,
            mark_price=price,
            funding_rate=0.0001,
            next_funding_time=BEGINS + timedelta(hours=3),
            source=SOURCE,
        )

    def history(self, timeframes: Iterable[Timeframe]) -> tuple[Candle, ...]:
        """The last candles of each timeframe before the beginning."""
        wanted = sorted(timeframes, key=TIMEFRAME_SECONDS.__getitem__)
        return tuple(candle for symbol in FIRST for tf in wanted for candle in self._past(symbol, tf))

    def _past(self, symbol: str, timeframe: Timeframe) -> Iterable[Candle]:
        step = timedelta(seconds=TIMEFRAME_SECONDS[timeframe])
        ends = BEGINS - timedelta(seconds=BEGINS.timestamp() % step.total_seconds())
        price = FIRST[symbol]
        for n in range(HISTORY, 0, -1):
            before, price = price, round(FIRST[symbol] * (1 + self._random.gauss(0, 0.002)), 2)
            yield Candle(
                symbol=symbol,
                timeframe=timeframe,
                open_time=ends - n * step,
                close_time=ends - (n - 1) * step,
                open=before,
                high=max(before, price) * 1.0005,
                low=min(before, price) * 0.9995,
                close=price,
                volume=100.0,
                quote_volume=100.0 * price,
                trades=50,
                source=SOURCE,
            )


async def fed(server: JetStreamServer, market: RandomMarket) -> None:
    """Publish ticks for ever."""
    while True:
        at = BEGINS + timedelta(seconds=server.world.loop.time())
        for symbol in FIRST:
            tick = market.tick(symbol, at)
            server.publish(subjects.tick(symbol), {}, b"", body=tick)
        await asyncio.sleep(TICK_S)


class SimulatedMarketLog:
    """The context worker's market, rebuilt from the log at each start."""

    def __init__(self, bus: SimulatedBus, market: MarketState, history: Sequence[Candle]) -> None:
        self._bus = bus
        self._market = market
        self._history = history
        self._reader = LogReader(bus, subjects.MARKET.name, self._take)

    async def start(self, timeframes: Iterable[Timeframe]) -> None:
        self._market.reserve(FIRST)
        self._market.use(timeframes)
        for candle in self._history:
            self._market.on_candle(candle, Source.FEED)
        self._market.read_from(0)
        await self._reader.start()
        self._market.go_live()

    async def drained(self, patience: float) -> bool:
        market = self._bus.server.streams[subjects.MARKET.name]
        try:
            last = await self._bus.link.ask("last tick", lambda: market.last)
            async with asyncio.timeout(patience):
                await self._reader.reached(last)
        except (Unavailable, TimeoutError):
            return False
        return True

    async def follow(self, timeframes: Iterable[Timeframe]) -> None:
        self._market.use(timeframes)

    def _take(self, message: LoggedMessage) -> None:
        if isinstance(message.body, MarketTick):
            self._market.on_tick(message.body, message.sequence)


class SimulatedPast:
    """MARKET as the executor reads it back."""

    def __init__(self, bus: SimulatedBus) -> None:
        self._bus = bus

    async def created(self) -> tuple[datetime, int]:
        last = await self._bus.link.ask("last tick", lambda: self._bus.server.streams[subjects.MARKET.name].last)
        return BEGINS, last

    def replay(self, after: int) -> "SimulatedReading":
        return SimulatedReading(self._bus, after)


class SimulatedReading:
    def __init__(self, bus: SimulatedBus, after: int) -> None:
        self._bus = bus
        self._after = after

    async def __aenter__(self) -> "SimulatedReading":
        return self

    async def __aexit__(self, *exc: object) -> None: ...

    async def take(self) -> Sequence[tuple[MarketEvent, int]] | None:
        stream, after = self._bus.server.streams[subjects.MARKET.name], self._after
        found = await self._bus.link.ask("read market", lambda: stream.messages[after:])
        if not found:
            return None
        self._after = found[-1].sequence
        return [(one.body, one.sequence) for one in found if isinstance(one.body, MarketTick | FundingUpdate)]
