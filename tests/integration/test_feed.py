"""The feed against a real NATS server: every tick once, through restarts, rival copies, kills and outages."""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nats
import pytest
from nats.js import JetStreamContext

from cli.embedded.servers import Servers
from libs.runtime.provision import provision_nats
from libs.runtime.worker import Worker
from libs.schemas import subjects
from libs.schemas.market import Candle, MarketClock, MarketTick
from services.feed.app import create_app
from services.feed.domain.synthetic import LISTINGS
from services.feed.settings import Settings
from tests import builders
from tests.fakes.feed_markets import everything, names, short_market, write_csv
from tests.integration.feeding import EVENTS, MARKET, TICKS, assert_whole, stored, until_ended, until_ticks, value
from tests.integration.own_process import own_process
from tests.pace import PATIENCE_S, Watch, usual

pytestmark = pytest.mark.integration
FAST = 20_000.0


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(MARKET, tmp_path_factory.mktemp("data"))


@pytest.fixture
async def js(nats_url: str) -> AsyncIterator[JetStreamContext]:
    nc = await nats.connect(nats_url)
    try:
        js = nc.jetstream(timeout=PATIENCE_S)
        await provision_nats(js)
        yield js
    finally:
        await nc.close()


def settings(url: str, data: Path, name: str = "a", speed: float = FAST, start_day: int = 1) -> Settings:
    return Settings(nats_url=url, instance=name, feed="replay", data_dir=data, speed=speed, start_day=start_day)


@contextlib.asynccontextmanager
async def feed(made: Settings) -> AsyncIterator[Worker]:
    worker = create_app(made)
    await worker.start()
    try:
        yield worker
    finally:
        await worker.stop()


async def test_a_replay_stores_every_event_once_and_stops_the_clock_at_its_end(
    nats_url: str, js: JetStreamContext, data: Path
) -> None:
    async with feed(settings(nats_url, data)) as worker:
        clock = await until_ended(js, MARKET.ends)
        assert_whole(await stored(worker))
        assert worker.clock.paused and worker.clock.now() == MARKET.ends
        assert clock.speed == FAST
        assert value(worker, "perpetua_feed_ended") == 1


async def test_a_second_start_after_the_end_stays_there(nats_url: str, js: JetStreamContext, data: Path) -> None:
    async with feed(settings(nats_url, data)):
        await until_ended(js, MARKET.ends)
    async with feed(settings(nats_url, data, "b")) as worker:
        async with asyncio.timeout(60):
            while not value(worker, "perpetua_feed_ended"):  # noqa: ASYNC110 - a metric tells nobody
                await asyncio.sleep(0.02)
        assert_whole(await stored(worker))
        assert worker.clock.now() == MARKET.ends


async def test_a_restart_goes_on_where_the_last_run_stopped(nats_url: str, js: JetStreamContext, data: Path) -> None:
    for n, count in enumerate((500, 1_500)):
        async with feed(settings(nats_url, data, f"run-{n}")):
            await until_ticks(js, count)
    async with feed(settings(nats_url, data, "last")) as worker:
        await until_ended(js, MARKET.ends)
        assert_whole(await stored(worker))


async def test_a_restart_after_the_ticks_are_gone_goes_on_too(nats_url: str, js: JetStreamContext, data: Path) -> None:
    async with feed(settings(nats_url, data)) as worker:
        await until_ticks(js, 1_000)
    before = set()
    async with feed(settings(nats_url, data, "b", speed=0.01)) as worker:
        before = set((await stored(worker)).ids)
    await js.purge_stream("MARKET")
    async with feed(settings(nats_url, data, "c")) as worker:
        await until_ended(js, MARKET.ends)
        after = (await stored(worker)).ids
    assert before.isdisjoint(after)
    assert before | set(after) == TICKS


async def test_ticks_of_strangers_do_not_move_the_feed(nats_url: str, js: JetStreamContext, data: Path) -> None:
    async with feed(settings(nats_url, data)):
        await until_ticks(js, 500)
    stranger = builders.tick("AAA", ts=datetime(2031, 1, 1, tzinfo=UTC), tick_id="x:AAA:1")
    await js.publish(subjects.tick("AAA"), stranger.model_dump_json().encode())
    await js.publish(subjects.tick("BBB"), b"no tick")
    async with feed(settings(nats_url, data, "b")) as worker:
        await until_ended(js, MARKET.ends)
        messages = (await js.stream_info("MARKET")).state.messages
        found = [await js.get_last_msg("MARKET", subjects.tick(symbol)) for symbol in MARKET.symbols]
        assert {MarketTick.model_validate_json(m.data or b"").ts for m in found} == {
            MARKET.ends - timedelta(seconds=15)
        }
        assert messages == len(TICKS) + sum(name.startswith("Funding") for name in EVENTS) + 2
        assert value(worker, "perpetua_feed_ended") == 1


async def test_history_comes_first_and_ends_where_the_replay_starts(
    nats_url: str, js: JetStreamContext, tmp_path: Path
) -> None:
    market = short_market(hours=1, history_days=1)
    async with feed(settings(nats_url, write_csv(market, tmp_path), start_day=2)) as worker:
        await until_ended(js, market.ends)
        log = await stored(worker)
    assert (set(log.ids), names(log.events)) == everything(market)
    hourly = [e.close_time for e in log.events if isinstance(e, Candle) and (e.symbol, e.timeframe) == ("AAA", "1h")]
    assert hourly == [market.begins + timedelta(hours=n) for n in range(1, 26)]


async def test_of_two_copies_one_publishes_and_the_other_follows_when_it_stops(
    nats_url: str, js: JetStreamContext, data: Path
) -> None:
    async with feed(settings(nats_url, data, "a")) as first, feed(settings(nats_url, data, "b")) as second:
        await until_ticks(js, 1_000)
        assert value(first, "perpetua_feed_holder") + value(second, "perpetua_feed_holder") == 1
        holder = first if value(first, "perpetua_feed_holder") else second
        await holder.stop()
        await until_ended(js, MARKET.ends)
        other = second if holder is first else first
        assert value(other, "perpetua_feed_ended") == 1
        assert_whole(await stored(other))


@contextlib.contextmanager
def process(url: str, data: Path, name: str, speed: float, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    env = os.environ | {
        "NATS_URL": url,
        "PERPETUA_FEED": "replay",
        "PERPETUA_DATA_DIR": str(data),
        "PERPETUA_SPEED": str(speed),
        "PERPETUA_START_DAY": "1",
        "PERPETUA_INSTANCE": name,
    }
    with own_process("feed", {**env, **more}) as child:
        yield child


@pytest.mark.slow
async def test_when_the_holder_is_killed_another_copy_goes_on_within_seconds_and_nothing_is_lost(
    nats_url: str, js: JetStreamContext, data: Path
) -> None:
    with process(nats_url, data, "victim", 3_600, PERPETUA_FAILPOINT="feed.before_tick:1001") as victim:
        await until_ticks(js, 200)
        async with feed(settings(nats_url, data, "standby")) as standby:
            assert await asyncio.to_thread(victim.wait, 120) == -signal.SIGKILL
            before = (await js.stream_info("MARKET")).state.messages
            with Watch() as watch:
                await until_ticks(js, before + 1)
            assert watch.quiet_s < 6
            await until_ended(js, MARKET.ends)
            assert_whole(await stored(standby))


@pytest.mark.slow
async def test_it_outlives_a_killed_server_and_goes_on_without_a_gap(own_servers: Servers, data: Path) -> None:
    url = own_servers.restart("nats").url
    nc = await nats.connect(url, max_reconnect_attempts=-1, reconnect_time_wait=0.1)
    try:
        js = nc.jetstream(timeout=PATIENCE_S)
        await provision_nats(js)
        async with feed(settings(url, data, speed=3_600)) as worker:
            await until_ticks(js, 600)
            await asyncio.to_thread(own_servers.restart, "nats", kill=True)
            await until_ended(js, MARKET.ends)
            assert_whole(await stored(worker))
    finally:
        await nc.close()


async def test_the_pace_is_held_at_3600_times_with_ten_symbols(nats_url: str, js: JetStreamContext) -> None:
    made = Settings(nats_url=nats_url, feed="synthetic", speed=3_600, start_day=1, history_days=0)
    async with feed(made) as worker:
        await until_ticks(js, 100)
        began, at = time.process_time(), await newest(js)  # of the processor, which others may use too
        await until_ticks(js, 4_000)
        passed, moved = usual(time.process_time() - began), await newest(js) - at
        assert moved / timedelta(seconds=1) / passed > 0.5 * 3_600
        log = await stored(worker)
    assert {tick.source for tick in log.ticks} == {"synthetic"}
    assert {tick.symbol for tick in log.ticks} == {listing.symbol for listing in LISTINGS}
    assert len(LISTINGS) == 10


async def newest(js: JetStreamContext) -> datetime:
    message = await js.get_last_msg("MARKET", subjects.tick("XRPUSDT"), direct=True)
    tick = MarketTick.model_validate_json(message.data or b"")
    assert tick.ts is not None
    return tick.ts


async def test_without_a_market_of_its_own_market_time_is_wall_time(nats_url: str, js: JetStreamContext) -> None:
    old = MarketClock(origin=MARKET.starts, wall_zero=MARKET.starts, speed=60, refreshed_at=MARKET.starts)
    await js.publish("$KV.clock.market", old.model_dump_json().encode(), stream="KV_clock")
    async with feed(Settings(nats_url=nats_url, feed="none")) as worker:
        async with asyncio.timeout(60):
            while worker.clock.present is not None:  # noqa: ASYNC110 - the clock tells nobody
                await asyncio.sleep(0.02)
        assert abs(worker.clock.now() - datetime.now(UTC)) < timedelta(seconds=1)
