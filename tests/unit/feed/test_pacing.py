"""When an event is due."""

from datetime import timedelta

import pytest

from services.feed.domain import pacing
from tests.fakes.feed_markets import MIDNIGHT

WALL = MIDNIGHT + timedelta(days=400)


@pytest.mark.parametrize(
    ("speed", "market_s", "wall_s", "left"),
    [
        (1, 15, 0, 15.0),
        (60, 15, 0, 0.25),
        (60, 60, 1, 0.0),
        (60, 60, 1.5, -0.5),
        (3600, 3600, 0.25, 0.75),
        (0.5, 1, 1, 1.0),
    ],
)
def test_an_event_is_due_when_market_time_reaches_it(speed: float, market_s: float, wall_s: float, left: float) -> None:
    clock = pacing.running(MIDNIGHT, WALL, speed)
    at = MIDNIGHT + timedelta(seconds=market_s)
    assert pacing.seconds_until(clock, at, WALL + timedelta(seconds=wall_s)) == pytest.approx(left)


@pytest.mark.parametrize(
    ("late_s", "off"),
    [(0, False), (0.9, False), (1.1, True), (3600, True), (-0.2, False), (-1.2, False), (-1.3, True), (-3600, True)],
    ids=["on time", "late", "too late", "wall clock set forward", "early", "one tick early", "too early", "set back"],
)
def test_a_schedule_that_cannot_be_kept_is_known(late_s: float, off: bool) -> None:
    clock = pacing.running(MIDNIGHT, WALL, 60)
    at = MIDNIGHT + timedelta(hours=1)
    wall = WALL + timedelta(minutes=1, seconds=late_s)
    assert pacing.off_schedule(clock, at, wall) is off


def test_a_paused_clock_stands_at_its_origin_and_a_refresh_changes_only_the_refresh() -> None:
    clock = pacing.paused(MIDNIGHT, WALL, 60)
    again = pacing.refreshed(clock, WALL + timedelta(seconds=1))
    assert clock.paused and again.paused
    assert (again.origin, again.wall_zero, again.speed) == (clock.origin, clock.wall_zero, clock.speed)
    assert again.refreshed_at == WALL + timedelta(seconds=1)
