"""A market that plays the feed for context workers, and those workers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from libs.runtime.clock import market_time
from libs.runtime.ending import end
from libs.runtime.provision import provision_nats
from libs.runtime.worker import Worker
from libs.schemas import ids, subjects
from libs.schemas.base import Message
from libs.schemas.context import TradingContext
from libs.schemas.kv_keys import CLOCK_KEY
from libs.schemas.market import Candle, MarketClock
from libs.schemas.matching import matches
from libs.schemas.names import ANY, key_of
from libs.schemas.reasons import RejectReason
from libs.schemas.verdict import DecisionRejected
from services.context.app import create_app
from services.context.settings import Settings
from tests import builders
from tests.builders import account, state
from tests.fakes.context_values import T0, candle, strategy

SPEED = 30.0


HISTORY = 120  # minutes


@dataclass
class Market:
    """Plays the feed: clock, history and a tick every two market seconds."""

    nc: Client
    js: JetStreamContext
    symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT")
    candles: bool = True
    speed: float = SPEED
    clock: MarketClock = field(init=False)
    ticks: int = 0

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Market time stands half a minute into the candle that follows the history, from now on."""
        now = datetime.now(UTC)
        origin = T0 + timedelta(minutes=HISTORY, seconds=-30)
        self.clock = MarketClock(origin=origin, wall_zero=now, speed=self.speed, refreshed_at=now)

    def now(self) -> datetime:
        return market_time(self.clock, datetime.now(UTC))

    async def put(self, bucket: str, key: str, body: Message) -> None:
        await self.js.publish(f"$KV.{bucket}.{key}", body.model_dump_json().encode(), stream=f"KV_{bucket}")

    async def prepare(self, *accounts: str) -> None:
        for symbol in self.symbols if self.candles else ():
            for minute in range(HISTORY - 1):
                await self.candle(candle(minute, 100.0 + minute % 5, symbol=symbol))
        self.begin()  # storing the history took its time, for which no tick was published
        await self.beat()
        await self.put("config", "strategy.trend", strategy("1m", "5m"))
        for name in accounts:
            await self.put("config", subjects.account_key(key_of(name)), account(name, symbols=self.symbols))
            await self.put("state", name, state(name))
        await self.tick(self.now())

    async def candle(self, made: Candle) -> None:
        await self.js.publish(subjects.candle(made.symbol, made.timeframe), made.model_dump_json().encode())

    async def beat(self) -> None:
        refreshed = self.clock.model_copy(update={"refreshed_at": datetime.now(UTC)})
        await self.put("clock", CLOCK_KEY, refreshed)

    async def tick(self, ts: datetime) -> None:
        for symbol in self.symbols:
            self.ticks += 1
            body = builders.tick(symbol, 100 + self.ticks % 7, ts=ts, size=1, tick_id=f"t{self.ticks}")
            await self.nc.publish(subjects.tick(symbol), body.model_dump_json().encode())

    async def end(self, message: Msg) -> None:
        """Play the workers that follow: every decision ends at once."""
        built = TradingContext.model_validate_json(message.data)
        body = DecisionRejected(
            decision_id=ids.decision_id(built.context_id, "live"),
            request_id=built.request.request_id,
            account_id=built.account_id,
            context_id=built.context_id,
            correlation_id=built.correlation_id,
            reason=RejectReason.ABSTAINED,
            rejected_at=self.now(),
        )
        with contextlib.suppress(nats.errors.Error, nats.js.errors.Error):
            await self.js.publish(subjects.decision_rejected(built.account_id), body.model_dump_json().encode())

    async def run(self) -> None:
        """For ever, through outages of the server."""
        await self.nc.subscribe(subjects.context_built(ANY), cb=self.end)
        while True:
            with contextlib.suppress(nats.errors.Error, nats.js.errors.Error):
                if self.ticks % 20 == 0:
                    await self.beat()
                await self.tick(self.now())
            await asyncio.sleep(2 / self.speed)

    async def stored(self, stream: str, pattern: str = ">") -> list[tuple[str, bytes, dict[str, str]]]:
        """All messages of a stream whose subjects match."""
        found = []
        info = await self.js.stream_info(stream)
        for sequence in range(max(1, info.state.first_seq), info.state.last_seq + 1):
            message = await self.js.get_msg(stream, sequence, direct=True)
            if matches(pattern, message.subject or ""):
                found.append((message.subject or "", message.data or b"", dict(message.headers or {})))
        return found

    async def contexts(self) -> list[TradingContext]:
        return [TradingContext.model_validate_json(data) for _, data, _ in await self.stored("CONTEXTS")]


@contextlib.asynccontextmanager
async def market_at(url: str, *, candles: bool = True, speed: float = SPEED) -> AsyncIterator[Market]:
    nc = await nats.connect(url, max_reconnect_attempts=-1, reconnect_time_wait=0.1)
    try:
        js = nc.jetstream(timeout=2)
        await provision_nats(js)
        yield Market(nc, js, candles=candles, speed=speed)
    finally:
        await nc.close()


@contextlib.asynccontextmanager
async def workers(url: str, n: int) -> AsyncIterator[list[Worker]]:
    made = [create_app(Settings(nats_url=url, instance=f"context-{i}", candle_wait=0.3)) for i in range(n)]
    for worker in made:
        await worker.start()
    try:
        yield made
    finally:
        for worker in made:
            await worker.stop()


@contextlib.asynccontextmanager
async def running(job: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(job())
    try:
        yield
    finally:
        await end([task])


async def until(check: Callable[[], Awaitable[bool]], seconds: float = 120) -> None:
    async with asyncio.timeout(seconds):
        while not await check():  # noqa: ASYNC110 - what is waited for is in the server
            await asyncio.sleep(0.05)
