"""The market as context workers rebuild it from the log: the same in every replica, and whole after an outage."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import nats
import pytest
from prometheus_client import CollectorRegistry

from cli.embedded.servers import Servers
from libs.configuration.mirror import ConfigMirror
from libs.runtime.ending import end
from libs.runtime.provision import provision_nats
from libs.runtime.worker import Worker
from libs.schemas import subjects
from libs.schemas.base import TIMEFRAME_SECONDS, Timeframe
from libs.schemas.market import Candle, MarketTick
from services.context.adapters.deadletters import DeadTicks
from services.context.adapters.market import NatsMarketLog
from services.context.domain.market import Bounds, MarketState
from services.context.domain.series import Series
from services.context.metrics import Metrics
from services.context.settings import Settings
from services.feed.app import create_app as create_feed
from services.feed.domain.timeframes import TIMEFRAMES, candle
from services.feed.settings import Settings as FeedSettings
from tests import builders
from tests.fakes.feed_markets import short_market, write_csv
from tests.pace import PATIENCE_S

pytestmark = pytest.mark.integration
USED: tuple[Timeframe, ...] = ("5m", "15m", "1h")
PLAYED = short_market(hours=6)
SPEED = 6_000.0


@dataclass
class Replica:
    """A context worker's market without its triggers and contexts."""

    worker: Worker
    market: MarketState
    log: NatsMarketLog

    async def close_minutes(self) -> None:
        while True:
            now = self.worker.clock.now()
            if self.market.unclosed(now) and await self.log.drained(1.0):
                self.market.close_due(now)
            await asyncio.sleep(0.01)

    def series(self, symbol: str, timeframe: Timeframe) -> Series:
        found = self.market.series(symbol, timeframe)
        assert found is not None, f"no {timeframe} candles of {symbol}"
        return found

    def candles(self, symbol: str, timeframe: Timeframe) -> list[bytes]:
        """Each one bit by bit."""
        series = self.series(symbol, timeframe)
        columns = (series.high, series.low, series.close, series.volume, series.quote)
        return [
            b"".join([t.tobytes(), *(c.tobytes() for c in row)]) for t, *row in zip(series.times, *columns, strict=True)
        ]


@contextlib.asynccontextmanager
async def replica(url: str, name: str, replay: int = 200_000, *, by_clock: bool = True) -> AsyncIterator[Replica]:
    worker = Worker(name, Settings(nats_url=url, instance=name))
    market, metrics = MarketState(Bounds(max_tick_age=90)), Metrics(CollectorRegistry())
    market.use(USED)
    config = ConfigMirror(worker.bus)
    dead = DeadTicks(worker.bus, worker.clock, metrics, 100)
    log = NatsMarketLog(worker.bus, worker.clock, config, market, dead, metrics, replay)
    worker.add(config)
    worker.add(log)
    await worker.start()
    made = Replica(worker, market, log)
    closing = asyncio.create_task(made.close_minutes() if by_clock else asyncio.sleep(0))
    try:
        yield made
    finally:
        await end([closing])
        await worker.stop()


def disturbed(begin: datetime, minutes: int, seed: int) -> list[MarketTick]:
    """Ticks three seconds apart, now and then twice; every seventh minute is silent. The clock has long gone by."""
    random = Random(seed)
    ticks = []
    for n in range(minutes * 20):
        ts = begin + timedelta(seconds=3 * n, milliseconds=random.randrange(1_000))
        if (n // 20) % 7 != 6:
            tick = builders.tick(price=100 + random.random(), ts=ts, size=random.random())
            ticks += [tick] * random.choice((1, 1, 1, 2))
    return ticks


async def test_replicas_that_start_at_different_times_have_the_same_candles_bit_by_bit(nats_url: str) -> None:
    begin = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=8)
    ticks = disturbed(begin, 420, 5)
    nc = await nats.connect(nats_url)
    try:
        await provision_nats(nc.jetstream(timeout=PATIENCE_S))

        async def publish(part: list[MarketTick]) -> None:
            for tick in part:
                await nc.publish(subjects.tick(tick.symbol), tick.model_dump_json().encode())
            await nc.flush()

        async with contextlib.AsyncExitStack() as stack:
            first = await stack.enter_async_context(replica(nats_url, "context-a", by_clock=False))
            await publish(ticks[:4_000])
            second = await stack.enter_async_context(replica(nats_url, "context-b", by_clock=False))
            await publish(ticks[4_000:])
            third = await stack.enter_async_context(replica(nats_url, "context-c", 3_000, by_clock=False))
            for one in (first, second, third):
                while not await one.log.drained(1):
                    pass
            for timeframe in ("1m", *USED):
                whole = first.candles("BTCUSDT", timeframe)
                assert whole == second.candles("BTCUSDT", timeframe)
                part = third.candles("BTCUSDT", timeframe)
                assert 0 < len(part) < len(whole) and part == whole[-len(part) :]
            assert first.series("BTCUSDT", "1m").gaps(1_500) == []
    finally:
        await nc.close()


def expected(symbol: str, timeframe: str) -> list[Candle]:
    step, at, found = TIMEFRAMES[timeframe], PLAYED.starts, []
    while at + step <= PLAYED.ends:
        made = candle(PLAYED.columns(symbol, at, at + step), timeframe)
        assert made is not None
        found.append(made)
        at += step
    return found


async def test_a_server_that_was_killed_leaves_no_gap(own_servers: Servers, tmp_path: Path) -> None:
    url = own_servers.restart("nats").url
    nc = await nats.connect(url)
    await provision_nats(nc.jetstream(timeout=PATIENCE_S))
    await nc.close()
    feed = create_feed(
        FeedSettings(
            nats_url=url, instance="feed", feed="replay", data_dir=write_csv(PLAYED, tmp_path), speed=SPEED, start_day=1
        )
    )
    await feed.start()
    try:
        async with contextlib.AsyncExitStack() as stack:
            first = await stack.enter_async_context(replica(url, "context-a"))
            await reached(first, timedelta(hours=1))
            await asyncio.to_thread(own_servers.restart, "nats", kill=True)
            await reached(first, timedelta(hours=3))
            await asyncio.to_thread(own_servers.restart, "nats", kill=True)
            second = await stack.enter_async_context(replica(url, "context-b"))
            for one in (first, second):
                await reached(one, timedelta(hours=6))
                await corrected(one)
                check_whole(one)
            for symbol in PLAYED.symbols:
                for timeframe in ("1m", *USED):
                    till = len(expected(symbol, timeframe))
                    assert first.candles(symbol, timeframe)[:till] == second.candles(symbol, timeframe)[:till]
    finally:
        await feed.stop()


async def reached(one: Replica, after: timedelta) -> None:
    """Return when the candles up to so much market time are there; the test's own limit finds what hangs."""
    end = int((PLAYED.starts + after).timestamp())
    while not all(one.market.closed(symbol, "1m", end) for symbol in PLAYED.symbols):  # noqa: ASYNC110
        await asyncio.sleep(0.02)


async def corrected(one: Replica) -> None:
    """Return when the feed's candles have replaced what the clock closed too early, or after a while."""
    wanted = {
        (symbol, timeframe): expected(symbol, timeframe) for symbol in PLAYED.symbols for timeframe in ("1m", *USED)
    }
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            while not all(says(one.series(*key), candles) for key, candles in wanted.items()):  # noqa: ASYNC110
                await asyncio.sleep(0.02)


def says(series: Series, wanted: list[Candle]) -> bool:
    """Of the time that is wanted: the market goes on meanwhile."""
    till, volumes = len(wanted), pytest.approx([c.volume for c in wanted], rel=1e-12)
    return series.close[:till].tolist() == [c.close for c in wanted] and bool(series.volume[:till].tolist() == volumes)


def check_whole(one: Replica) -> None:
    for symbol in PLAYED.symbols:
        for timeframe in ("1m", *USED):
            wanted, series = expected(symbol, timeframe), one.series(symbol, timeframe)
            till = len(wanted)
            assert series.step == TIMEFRAME_SECONDS[timeframe]
            assert series.times[:till].tolist() == [int(c.open_time.timestamp()) for c in wanted]
            assert series.close[:till].tolist() == [c.close for c in wanted]
            assert series.high[:till].tolist() == [c.high for c in wanted]
            assert series.volume[:till].tolist() == pytest.approx([c.volume for c in wanted], rel=1e-12)
        # The minutes in which the server was away may have been closed without their last ticks: then that is counted,
        # and the feed's candles, which came late, have replaced them. A market minute takes 10 ms here, so how many
        # those are is the machine's affair: few of all.
        all_of_them = sum(len(expected(symbol, timeframe)) for timeframe in ("1m", *USED))
        assert sum(n for (name, _), n in one.market.differences.items() if name == symbol) <= all_of_them / 10


async def test_whoever_needs_no_new_timeframe_does_not_wait_for_the_history_of_one(nats_url: str) -> None:
    nc = await nats.connect(nats_url)
    await provision_nats(nc.jetstream(timeout=PATIENCE_S))
    await nc.close()
    async with replica(nats_url, "one") as one:
        reading = asyncio.create_task(one.log.follow(["3m"]))
        await asyncio.sleep(0)
        known, same = asyncio.create_task(one.log.follow(USED)), asyncio.create_task(one.log.follow(["3m", "5m"]))
        await asyncio.sleep(0)
        assert (reading.done(), known.done(), same.done()) == (False, True, False)
        await asyncio.gather(reading, same)
