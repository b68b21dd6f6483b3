"""The publishing loop over its ports in memory, at a speed that plays an hour in some milliseconds."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

import pytest
from prometheus_client import CollectorRegistry

from libs.runtime.clock import WallClock
from libs.runtime.ending import end
from services.feed.application import WrongMarket, publish
from services.feed.domain.recorded import RecordedMarket
from services.feed.domain.timeline import MarketSource
from services.feed.metrics import FeedMetrics
from services.feed.ports import Deps, Lockstep, Reached
from tests.fakes.feed_markets import MIDNIGHT, everything, names, quarter_day
from tests.fakes.feed_ports import FakeDesk, FakeLease

SPEED = 100_000.0


@cache
def whole_quarter() -> tuple[set[str], list[str]]:
    return everything(quarter_day())


@dataclass
class Stage:
    """A feed over fakes, and what a whole run publishes."""

    market: RecordedMarket | None
    desk: FakeDesk = field(default_factory=FakeDesk)
    lease: FakeLease = field(default_factory=FakeLease)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    speed: float = SPEED

    def __post_init__(self) -> None:
        self.metrics = FeedMetrics(self.registry)

    def _open(self) -> MarketSource | None:
        return self.market

    @contextlib.asynccontextmanager
    async def running(self, lockstep: Lockstep | None = None) -> AsyncIterator[asyncio.Task[None]]:
        deps = Deps(self._open, self.desk, self.lease, WallClock(), self.metrics, self.speed, lockstep)
        task = asyncio.create_task(publish(deps))
        try:
            yield task
        finally:
            await end([task])

    async def ended(self) -> None:
        await self.desk.until(lambda: self.value("perpetua_feed_ended") == 1)

    def value(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


async def test_a_run_publishes_the_history_and_then_everything_to_the_end_and_stops_the_clock() -> None:
    market = quarter_day()
    stage = Stage(market)
    async with stage.running():
        await stage.ended()
    ticks, events = whole_quarter()
    assert stage.desk.ticks.keys() == ticks
    assert names(stage.desk.events) == events
    assert stage.desk.repeated == 0
    first, running, *_, last = stage.desk.clocks
    assert first is not None and first.paused and first.origin == market.starts
    assert running is not None and not running.paused and running.speed == SPEED
    assert last is not None and last.paused and last.origin == market.ends
    assert stage.lease.reached is not None and stage.lease.reached.position == market.ends
    assert stage.value("perpetua_feed_events_total", kind="tick") == len(ticks)


async def test_a_second_run_after_the_end_publishes_nothing_and_stays_at_the_end() -> None:
    market = quarter_day()
    first = Stage(market)
    async with first.running():
        await first.ended()
    before = len(first.desk.events)
    second = Stage(market, first.desk, first.lease)
    async with second.running():
        await second.ended()
    assert (len(first.desk.events), first.desk.repeated) == (before, 0)
    assert first.desk.clocks[-1] is not None
    assert (first.desk.clocks[-1].paused, first.desk.clocks[-1].origin) == (True, market.ends)


@pytest.mark.parametrize("stop_at", [1, 2, 333, 1_000])
async def test_a_run_that_was_stopped_goes_on_with_the_next_tick(stop_at: int) -> None:
    market = quarter_day()
    first = Stage(market)
    async with first.running():
        await first.desk.until_ticks(stop_at)
    assert first.lease.released == 1
    second = Stage(market, first.desk, first.lease)
    async with second.running():
        await second.ended()
    ticks, events = whole_quarter()
    assert first.desk.ticks.keys() == ticks
    assert names(first.desk.events) == events
    assert first.desk.repeated == 0


async def test_while_the_bus_is_away_it_waits_and_then_goes_on_without_a_gap() -> None:
    market = quarter_day()
    stage = Stage(market, FakeDesk(fail_after=500))
    async with stage.running():
        await stage.desk.until(lambda: stage.lease.released >= 2)
        stage.desk.back()
        await stage.ended()
    ticks, events = whole_quarter()
    assert stage.desk.ticks.keys() == ticks
    assert names(stage.desk.events) == events
    assert stage.lease.acquired > 2


async def test_without_the_lease_nothing_is_published() -> None:
    stage = Stage(quarter_day())
    stage.lease.free.clear()
    async with stage.running():
        await asyncio.sleep(0.05)
        assert (stage.desk.ticks, stage.desk.clocks, stage.desk.events) == ({}, [], [])
        assert stage.value("perpetua_feed_holder") == 0


async def test_when_the_lease_is_lost_publishing_stops_at_once_and_resumes_when_it_is_back() -> None:
    market = quarter_day()
    stage = Stage(market)
    async with stage.running():
        await stage.desk.until_ticks(100)
        stage.lease.lose()
        published = len(stage.desk.ticks)
        await asyncio.sleep(0.05)
        assert len(stage.desk.ticks) == published
        stage.lease.free.set()
        await stage.ended()
    assert stage.desk.ticks.keys() == whole_quarter()[0]


async def test_the_market_clock_runs_at_the_speed_and_is_near_each_tick_when_it_goes_out() -> None:
    stage = Stage(quarter_day(), speed=3_600)
    async with stage.running():
        await stage.desk.until_ticks(400)
        clock, newest = stage.desk.clocks[-1], list(stage.desk.ticks.values())[-1]
        assert clock is not None and newest.ts is not None
        shown = clock.origin + (WallClock().wall() - clock.wall_zero) * clock.speed
    assert timedelta(0) <= shown - newest.ts < timedelta(seconds=0.5 * 3_600)
    assert stage.value("perpetua_feed_clock_resets_total") == 0


async def test_another_market_than_the_stored_one_is_refused_with_what_to_do() -> None:
    stage = Stage(quarter_day(), lease=FakeLease(reached=Reached("synthetic:1", None, MIDNIGHT)))
    async with stage.running() as task:
        with pytest.raises(WrongMarket, match=r"the stored market is synthetic:1, this feed plays replay; .*--wipe"):
            await asyncio.wait_for(asyncio.shield(task), 5)
    assert stage.desk.ticks == {}


async def test_a_position_behind_the_end_of_the_data_is_refused() -> None:
    market = quarter_day()
    stage = Stage(market, lease=FakeLease(reached=Reached("replay", market.ends + timedelta(seconds=1), MIDNIGHT)))
    async with stage.running() as task:
        with pytest.raises(WrongMarket, match="the data ends at"):
            await asyncio.wait_for(asyncio.shield(task), 5)


async def test_a_feed_without_a_market_takes_the_clock_away_and_keeps_the_lease() -> None:
    stage = Stage(None)
    async with stage.running():
        await stage.desk.changed.wait()
        await asyncio.sleep(0.01)
        assert (stage.desk.clocks, stage.lease.held) == ([None], True)
    assert stage.desk.ticks == {}


class Followers:
    """What follows from a moment takes until it is let go."""

    def __init__(self, desk: FakeDesk) -> None:
        self.desk = desk
        self.seen: list[tuple[datetime, int]] = []

    async def start(self) -> None: ...
    async def stop(self) -> None: ...

    async def stored(self) -> int:
        return len(self.desk.ticks)

    async def over(self, at: datetime) -> None:
        self.seen.append((at, len(self.desk.ticks)))
        await asyncio.sleep(0)
        assert self.desk.clocks[-1] is not None and self.desk.clocks[-1].origin == at
        assert self.desk.clocks[-1].lockstep and self.desk.clocks[-1].paused
        assert self.desk.clocks[-1].told == len(self.desk.ticks), "who looks now would look at half of a moment"
        assert self.seen[-1] == (at, len(self.desk.ticks)), "a tick of the next moment went out before"


async def test_in_lockstep_each_moment_waits_until_the_one_before_is_over() -> None:
    stage = Stage(quarter_day())
    followers = Followers(stage.desk)
    async with stage.running(followers):
        await stage.ended()
    times = [at for at, _ in followers.seen]
    assert times == sorted(set(times)) and len(times) > 100
    assert followers.seen[-1][1] == len(stage.desk.ticks) == len(whole_quarter()[0])
