"""Market time and the clock that tests use."""

from datetime import timedelta

import pytest

from libs.runtime.clock import Clock, market_time, sleep_until_market
from libs.schemas.market import MarketClock
from tests.fakes.clock import START, FakeClock


def anchored(speed: float, *, paused: bool = False) -> MarketClock:
    origin = START - timedelta(days=365)
    return MarketClock(origin=origin, wall_zero=START, speed=speed, paused=paused, refreshed_at=START)


@pytest.mark.parametrize(("speed", "seconds", "market"), [(1, 10, 10), (60, 10, 600), (0.5, 10, 5), (60, 0, 0)])
def test_market_time_is_the_origin_and_the_wall_time_since_at_its_speed(
    speed: float, seconds: float, market: float
) -> None:
    clock = anchored(speed)
    assert market_time(clock, START + timedelta(seconds=seconds)) == clock.origin + timedelta(seconds=market)


def test_a_paused_market_stands_at_its_origin() -> None:
    clock = anchored(60, paused=True)
    assert market_time(clock, START + timedelta(hours=1)) == clock.origin


def test_the_fake_clock_is_a_clock_that_moves_when_told() -> None:
    clock = FakeClock(speed=60)
    as_port: Clock = clock
    clock.advance(2)
    assert as_port.now() == START + timedelta(minutes=2)
    assert as_port.wall() == START + timedelta(seconds=2)
    assert as_port.monotonic() == 2
    clock.paused = True
    clock.advance(1)
    assert (as_port.now(), as_port.monotonic()) == (START + timedelta(minutes=2), 3)


async def test_a_time_that_has_come_is_not_slept_for() -> None:
    await sleep_until_market(FakeClock(), START)
