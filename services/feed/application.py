"""The publishing loop: whoever holds the lease plays the market from where the last run stopped."""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from libs.runtime.ending import together
from libs.runtime.errors import Unavailable
from libs.runtime.failpoints import hit
from libs.schemas.market import Candle, FundingUpdate, MarketClock, MarketTick
from services.feed.domain import pacing
from services.feed.domain.history import MissingCandles
from services.feed.domain.timeframes import TIMEFRAMES
from services.feed.domain.timeline import MarketSource, Moment, Progress, backlog, moments, resumed
from services.feed.ports import Deps, ExchangeAway, LeaseLost, Live, Lockstep, Reached, StreamSilent

BEAT_S = 1.0
AWAY_S = 5.0
WIPE = "`perpetua down --wipe` starts over"
log = logging.getLogger(__name__)


class WrongMarket(Exception):
    """What is stored belongs to another market than the one that is to be played."""


@dataclass(slots=True)
class Playback:
    """The clock as it was last set; how far the ticks are published, and how far they surely are stored."""

    clock: MarketClock | None = None
    series: str | None = None
    published: datetime | None = None
    stored: datetime | None = None


async def publish(deps: Deps) -> None:
    """Wait for the lease, play while it is held, and begin again; ends only when it is cancelled."""
    market = await asyncio.to_thread(deps.open_market)
    while True:
        reached = await deps.lease.acquire()
        playback = Playback()
        deps.meter.playing(False)
        deps.meter.holding(True)
        try:
            await _hold(deps, market, reached, playback)
        except (LeaseLost, Unavailable) as error:
            log.warning("publishing is interrupted: %s", error)
        finally:
            deps.meter.holding(False)
            with contextlib.suppress(Unavailable):
                await _settle(deps, playback)
            await deps.lease.release(playback.series, playback.stored)


async def _hold(deps: Deps, market: MarketSource | Live | None, reached: Reached | None, playback: Playback) -> None:
    """Play and keep the lease until one of them fails."""
    if market is None:
        playing = _wall_time(deps)
    elif isinstance(market, Live):
        playing = follow(deps, market)
    else:
        playing = play(deps, market, reached, playback)
    await together(_keep(deps, playback), playing)


async def _keep(deps: Deps, playback: Playback) -> None:
    """Each second: note how far the market got, and show that the clock is alive. Outlives an outage shorter than the
    lease, which keeps itself."""
    while True:
        await asyncio.sleep(BEAT_S)
        _check(deps)
        try:
            await _settle(deps, playback)
            await deps.lease.renew(playback.series, playback.stored)
            if playback.clock is not None:
                await deps.desk.clock(pacing.refreshed(playback.clock, deps.clock.wall()))
        except Unavailable as error:
            log.warning("how far the market got is not noted yet: %s", error)


async def _settle(deps: Deps, playback: Playback) -> None:
    published = playback.published
    if published is not None:
        await deps.desk.settle()
        playback.stored = published


async def _wall_time(deps: Deps) -> None:
    await deps.desk.clear_clock()
    deps.meter.playing(True)
    log.info("no market of its own: market time is wall time")


async def play(deps: Deps, market: MarketSource, reached: Reached | None, playback: Playback) -> None:
    """Publish everything from where the last run stopped; at the end of the data stop the clock and return."""
    done = await _progress(deps, market, reached)
    playback.series = market.series
    deps.meter.ended(False)
    await asyncio.to_thread(market.prepare, done.position)
    log.info("playing %s from %s at %g times", market.series, done.position.isoformat(), deps.speed)
    await _set(deps, playback, pacing.paused(done.position, deps.clock.wall(), deps.speed))
    await deps.desk.store(backlog(market, done))
    await _set(deps, playback, pacing.running(done.position, deps.clock.wall(), deps.speed))
    deps.meter.playing(True)
    if deps.lockstep is not None:
        await _play_in_lockstep(deps, deps.lockstep, moments(market, done), playback)
    for moment in moments(market, done) if deps.lockstep is None else ():
        if moment.at > done.position:
            await _wait(deps, playback, moment.at)
        await _publish(deps, moment)
        playback.published = moment.at
    await _set(deps, playback, pacing.paused(market.ends or done.position, deps.clock.wall(), deps.speed))
    deps.meter.ended(True)
    log.warning("the data ended at %s and the market stands still; %s", market.ends, WIPE)


async def _play_in_lockstep(deps: Deps, lockstep: Lockstep, moments: Iterable[Moment], playback: Playback) -> None:
    """Each moment when all that follows from the one before has happened."""
    await lockstep.start()
    try:
        for moment in moments:
            await _set(deps, playback, pacing.stepped(moment.at, deps.clock.wall(), deps.speed))
            await _publish(deps, moment)
            playback.published = moment.at
            await _settle(deps, playback)
            whole = pacing.stepped(moment.at, deps.clock.wall(), deps.speed, await lockstep.stored())
            await _set(deps, playback, whole)
            await lockstep.over(moment.at)
    finally:
        await lockstep.stop()


async def _progress(deps: Deps, market: MarketSource, reached: Reached | None) -> Progress:
    if reached is not None and reached.series != market.series:
        raise WrongMarket(f"the stored market is {reached.series}, this feed plays {market.series}; {WIPE}")
    stored = await deps.desk.stored(market, reached)
    position = None if reached is None else reached.position
    done = resumed(market, position, stored.ticks, stored.candles, stored.funding)
    if market.ends is not None and done.position > market.ends:
        raise WrongMarket(f"the stored market is at {done.position}, the data ends at {market.ends}; {WIPE}")
    return done


async def _set(deps: Deps, playback: Playback, clock: MarketClock) -> None:
    _check(deps)
    playback.clock = clock
    await deps.desk.clock(clock)


async def _wait(deps: Deps, playback: Playback, at: datetime) -> None:
    """Sleep until market time `at`; a schedule that cannot be kept is made anew instead of caught up with."""
    assert playback.clock is not None  # noqa: S101 - set before the first moment
    while (left := pacing.seconds_until(playback.clock, at, deps.clock.wall())) > 0:
        if pacing.off_schedule(playback.clock, at, deps.clock.wall()):
            break
        await asyncio.sleep(left)
    deps.meter.late(max(0.0, -left))
    if pacing.off_schedule(playback.clock, at, deps.clock.wall()):
        log.warning("the schedule is off by %.1f s at %s; setting the market clock to it", -left, at.isoformat())
        deps.meter.clock_reset()
        await _set(deps, playback, pacing.running(at, deps.clock.wall(), deps.speed))


async def _publish(deps: Deps, moment: Moment) -> None:
    _check(deps)
    if moment.events:
        await deps.desk.store(moment.events)
        candles = sum(isinstance(event, Candle) for event in moment.events)
        deps.meter.published("candle", candles)
        deps.meter.published("funding", len(moment.events) - candles)
    for tick in moment.ticks:
        hit("feed.before_tick")
        _check(deps)
        await deps.desk.tick(tick)
    deps.meter.published("tick", len(moment.ticks))


def _check(deps: Deps) -> None:
    if not deps.lease.held:
        raise LeaseLost("the lease ran out")


async def follow(deps: Deps, live: Live) -> None:
    """Publish what happens at an exchange: first the candles that are missing, then ticks. Ends when it is cancelled.

    An exchange that is away is no reason to hand the lease back: another copy would not reach it either.
    """
    await deps.desk.clear_clock()
    while True:
        try:
            await live.open()
            stored = await deps.desk.stored(live, Reached(live.source, None, deps.clock.wall()))
            missing = MissingCandles({key: max(opened) + TIMEFRAMES[key[1]] for key, opened in stored.candles.items()})
            await _paid_meanwhile(deps, live, stored.funding)
            await _fill_in(deps, live, missing)
            deps.meter.playing(True)
            log.info("following %s at %s", ", ".join(live.symbols), live.source)
            await together(_ticks(deps, live, missing), _candles(deps, live, missing))
        except ExchangeAway as away:
            if isinstance(away, StreamSilent):
                deps.meter.fell_silent()
            log.warning("asking the exchange again in %g s: %s", AWAY_S, away)
            await asyncio.sleep(AWAY_S)
        finally:
            await live.close()


async def _paid_meanwhile(deps: Deps, live: Live, known: Mapping[str, datetime]) -> None:
    """Funding whose boundary passed while nobody followed is owed all the same."""
    for symbol, since in known.items():
        updates = await live.funding(symbol, since)
        _check(deps)
        if updates:
            await deps.desk.store(updates)
            deps.meter.published("funding", len(updates))


async def _ticks(deps: Deps, live: Live, missing: MissingCandles) -> None:
    async for event in live.events():
        _check(deps)
        if isinstance(event, MarketTick):
            await deps.desk.tick(event)
            deps.meter.published("tick", 1)
        elif isinstance(event, FundingUpdate):
            await deps.desk.store([event])
            deps.meter.published("funding", 1)
        else:
            missing.asked.clear()  # what closed while the stream was away is asked for anew


async def _candles(deps: Deps, live: Live, missing: MissingCandles) -> None:
    while True:
        await asyncio.sleep(BEAT_S)
        await _fill_in(deps, live, missing)


async def _fill_in(deps: Deps, live: Live, missing: MissingCandles) -> None:
    """Ask for every candle that has closed and is not stored: the history at a start, a gap, the newest one."""
    for timeframe in TIMEFRAMES:
        for symbol in live.symbols:
            since = missing.since(symbol, timeframe, live.now())
            if since is None:
                continue
            candles = missing.news(await live.candles(symbol, timeframe, since))
            _check(deps)
            if candles:
                await deps.desk.store(candles)
                deps.meter.published("candle", len(candles))
                missing.stored(candles[-1])
