"""When an event of the market is due in wall time, and when the market clock has to be set anew."""

from datetime import datetime, timedelta

from libs.schemas.market import MarketClock
from services.feed.domain.bars import STEP

MAX_LAG_S = 1.0


def running(origin: datetime, wall: datetime, speed: float) -> MarketClock:
    """A clock that shows `origin` now and runs."""
    return MarketClock(origin=origin, wall_zero=wall, speed=speed, refreshed_at=wall)


def paused(origin: datetime, wall: datetime, speed: float) -> MarketClock:
    """A clock that stands still at `origin`."""
    return MarketClock(origin=origin, wall_zero=wall, speed=speed, paused=True, refreshed_at=wall)


def stepped(origin: datetime, wall: datetime, speed: float, told: int | None = None) -> MarketClock:
    """A clock in lockstep: it stands at `origin` until the feed sets it. `told`: as in MarketClock."""
    return paused(origin, wall, speed).model_copy(update={"lockstep": True, "told": told})


def refreshed(clock: MarketClock, wall: datetime) -> MarketClock:
    return clock.model_copy(update={"refreshed_at": wall})


def seconds_until(clock: MarketClock, at: datetime, wall: datetime) -> float:
    """Wall seconds from `wall` until market time reaches `at`; negative when that is past."""
    return (clock.wall_zero - wall + (at - clock.origin) / clock.speed) / timedelta(seconds=1)


def off_schedule(clock: MarketClock, at: datetime, wall: datetime) -> bool:
    """Whether the schedule cannot be kept: publishing fell behind, or the wall clock was set.

    Catching up would be a burst without bound, and waiting could take hours; the clock is set to `at` instead.
    """
    left = seconds_until(clock, at, wall)
    return left < -MAX_LAG_S or left > STEP.total_seconds() / clock.speed + MAX_LAG_S
