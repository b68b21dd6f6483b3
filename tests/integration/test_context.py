"""The context worker against a real NATS server, in market time at thirty times wall time."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from cli.embedded.servers import Servers
from libs.runtime.clock import market_time
from libs.runtime.ending import end
from libs.runtime.provision import provision_nats
from libs.runtime.worker import Worker
from libs.schemas import ids, subjects
from libs.schemas.base import Message
from libs.schemas.context import DecisionRequest, TradingContext
from libs.schemas.dead import DeadLetter
from libs.schemas.market import Candle, MarketClock
from libs.schemas.names import ANY, key_of
from libs.schemas.reasons import ContextErrorCode, DeadLetterCode, RejectReason
from libs.schemas.verdict import DecisionRejected
from services.context.app import create_app
from services.context.settings import Settings
from tests import builders
from tests.builders import account, state
from tests.fakes.context_values import T0, candle, strategy

SPEED = 30.0
HISTORY = 120  # minutes
pytestmark = pytest.mark.integration


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
        await self.put("clock", subjects.CLOCK_KEY, refreshed)

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
            if subjects.matches(pattern, message.subject or ""):
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


async def test_two_workers_build_one_context_of_each_account_at_each_boundary(nats_url: str) -> None:
    names = ("acc1", "acc2", "acc3")
    async with market_at(nats_url) as market:
        await market.prepare(*names)
        async with running(market.run), workers(nats_url, 2):

            async def three_cycles() -> bool:
                return len({c.cycle for c in await market.contexts()}) >= 4

            await until(three_cycles)
        contexts = await market.contexts()
        requests = await market.stored("REQUESTS")
    cycles = sorted({c.cycle for c in contexts})[:3]
    seen = Counter((c.account_id, c.cycle) for c in contexts if c.cycle in cycles)
    assert seen == Counter({(name, cycle): 1 for name in names for cycle in cycles})
    assert len(requests) == len({data for _, data, _ in requests})
    for context in contexts:
        assert set(context.market_data.assets) == {"BTCUSDT", "ETHUSDT"}
        closed = context.expires_at - timedelta(minutes=1)
        for asset in context.market_data.assets.values():
            assert asset.technical_indicators.interval.as_of == closed
            assert asset.technical_indicators.interval.ema_50 is not None
            assert asset.technical_indicators.interval.candles_used >= HISTORY - 1
        assert context.timestamp >= closed + timedelta(seconds=2)


async def test_bad_ticks_end_as_dead_letters_and_block_nothing(nats_url: str) -> None:
    bad = {
        b"{": DeadLetterCode.MALFORMED,
        b'{"symbol": "BTCUSDT", "price": -1}': DeadLetterCode.INVALID,
        b'{"symbol": "BTCUSDT", "price": "NaN"}': DeadLetterCode.INVALID,
        b'{"symbol": "ETHUSDT", "price": 1}': DeadLetterCode.SUBJECT_MISMATCH,
        b'{"symbol": "BTCUSDT", "price": 1, "ts": "2099-01-01T00:00:00Z"}': DeadLetterCode.FUTURE,
        b" " * 20_000: DeadLetterCode.OVERSIZED,
    }
    async with market_at(nats_url) as market:
        await market.prepare("acc1")
        for body in bad:
            await market.js.publish(subjects.tick("BTCUSDT"), body)
        async with running(market.run), workers(nats_url, 2):
            for body in bad:
                await market.js.publish(subjects.tick("BTCUSDT"), body)

            async def all_dead() -> bool:
                letters = await market.stored("DEAD")
                return len(letters) >= 2 * len(bad) and len(await market.contexts()) > 0

            await until(all_dead)
        letters = await market.stored("DEAD", "dead.MARKET.context-ticks")
        async with workers(nats_url, 1):  # reads everything again
            assert len(await market.stored("DEAD")) == 2 * len(bad)
    found = [(DeadLetter.model_validate_json(data), headers) for _, data, headers in letters]
    assert len(found) == len({letter.sequence for letter, _ in found}) == 2 * len(bad)
    for letter, headers in found:
        assert letter.dead_letter_id == f"MARKET:{letter.sequence}"
        assert headers["Nats-Msg-Id"] == f"dead.MARKET:MARKET:{letter.sequence}"
        assert letter.error.code is bad[letter.body.encode()]
    assert next(x.error.field for x, _ in found if x.error.code is DeadLetterCode.SUBJECT_MISMATCH) == "symbol"


async def test_where_the_feed_brings_no_candles_one_of_each_is_published_by_two_workers(nats_url: str) -> None:
    async with market_at(nats_url, candles=False) as market:
        await market.prepare("acc1")
        async with running(market.run), workers(nats_url, 2):

            async def three_minutes() -> bool:
                return len(await market.stored("CANDLES", "market.candle.BTCUSDT.1m")) >= 3

            await until(three_minutes)
        stored = await market.stored("CANDLES")
    candles = [Candle.model_validate_json(data) for _, data, _ in stored]
    assert len(candles) == len({(c.symbol, c.timeframe, c.open_time) for c in candles})
    minutes = [c.open_time for c in candles if (c.symbol, c.timeframe) == ("BTCUSDT", "1m")]
    assert all(b - a == timedelta(minutes=1) for a, b in pairwise(minutes))
    assert all(headers["ce-source"] == "perpetua/context" for _, _, headers in stored)


async def test_a_clients_request_is_answered_once_and_an_impossible_one_rejected(nats_url: str) -> None:
    def asked(request_id: str, name: str, now: datetime) -> DecisionRequest:
        return builders.request(request_id, account_id=name, requested_at=now, expires_at=now + timedelta(minutes=10))

    async with market_at(nats_url) as market:
        await market.prepare("acc1")
        async with running(market.run), workers(nats_url, 2):
            for name in ("acc1", "nobody"):
                body = asked(f"r-{name}", name, market.now()).model_dump_json().encode()
                await market.js.publish(subjects.decision_requested(key_of(name)), body)

            async def both() -> bool:
                contexts = [c for c in await market.contexts() if c.cycle == "request:r-acc1"]
                return bool(contexts and await market.stored("DECISIONS", "decision.rejected.nobody"))

            await until(both)
        contexts = [c for c in await market.contexts() if c.cycle == "request:r-acc1"]
        rejections = await market.stored("DECISIONS", "decision.rejected.nobody")
    assert [c.context_id for c in contexts] == [ids.context_id("acc1", "request:r-acc1")]
    (rejection,) = [DecisionRejected.model_validate_json(data) for _, data, _ in rejections]
    assert (rejection.reason, rejection.request_id) == (RejectReason.UNKNOWN_ACCOUNT, "r-nobody")


@pytest.mark.slow
async def test_contexts_go_on_after_the_server_was_killed(own_servers: Servers) -> None:
    url = own_servers.restart("nats").url
    async with market_at(url) as market:
        await market.prepare("acc1")
        async with running(market.run), workers(url, 2):

            async def some() -> bool:
                return len(await market.contexts()) >= 1

            await until(some)
            await asyncio.to_thread(own_servers.restart, "nats", kill=True)
            await until(lambda: _answers(market))
            before = {c.cycle for c in await market.contexts()}

            async def more() -> bool:
                return len({c.cycle for c in await market.contexts()} - before) >= 2

            await until(more, 60)
        contexts = await market.contexts()
    assert all(n == 1 for n in Counter((c.account_id, c.cycle) for c in contexts).values())
    newest = max(contexts, key=lambda c: c.timestamp)
    short = {ContextErrorCode.WARM_UP, ContextErrorCode.SHORT_HISTORY}  # two hours of history are no day
    unheard = {ContextErrorCode.GAP, ContextErrorCode.NO_CANDLES}  # no feed brings the minutes of the outage
    assert {e.code for e in newest.errors} <= short | unheard


async def _answers(market: Market) -> bool:
    try:
        await market.js.stream_info("CONTEXTS")
    except (nats.errors.Error, nats.js.errors.Error):
        return False
    return True
