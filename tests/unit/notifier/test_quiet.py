"""Quiet hours."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.domain.quiet import DAY_MINUTES, QuietHours

NIGHT = QuietHours.model_validate({"from": "22:00", "to": "07:00"})
NOON = QuietHours.model_validate({"from": "12:00", "to": "13:30", "but": "warning"})
BERLIN = QuietHours.model_validate({"from": "22:00", "to": "07:00", "zone": "Europe/Berlin"})


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


@pytest.mark.parametrize(
    ("quiet", "wall", "hours"),
    [
        (NIGHT, "2026-11-20T21:59:59", 0),
        (NIGHT, "2026-11-20T22:00:00", 9),
        (NIGHT, "2026-11-21T00:00:00", 7),
        (NIGHT, "2026-11-21T06:30:00", 0.5),
        (NIGHT, "2026-11-21T07:00:00", 0),
        (NOON, "2026-11-20T11:59:59", 0),
        (NOON, "2026-11-20T12:00:00", 1.5),
        (NOON, "2026-11-20T13:30:00", 0),
        (BERLIN, "2026-11-20T20:59:59", 0),
        (BERLIN, "2026-11-20T21:00:00", 9),
        (BERLIN, "2026-03-28T21:00:00", 8),  # that night has an hour less
        (BERLIN, "2026-10-24T20:00:00", 10),  # and that one an hour more
    ],
)
def test_what_can_wait_waits_until_they_end(quiet: QuietHours, wall: str, hours: float) -> None:
    assert quiet.left("info", at(wall)) == hours * 3_600


def test_what_is_grave_enough_does_not_wait() -> None:
    assert NIGHT.left("critical", at("2026-11-20T23:00:00")) == 0
    assert NIGHT.left("warning", at("2026-11-20T23:00:00")) > 0
    assert NOON.left("warning", at("2026-11-20T12:30:00")) == 0


MINUTES = st.integers(min_value=0, max_value=DAY_MINUTES - 1)
WALL = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata", "America/New_York"])


@given(begins=MINUTES, ends=MINUTES, zone=ZONES, wall=WALL)
def test_when_they_have_ended_nothing_waits(begins: int, ends: int, zone: str, wall: datetime) -> None:
    quiet = QuietHours.model_validate({"from": begins, "to": ends, "zone": zone})
    left = quiet.left("info", wall)
    assert 0 <= left <= 25 * 3_600
    if left:
        end = (wall + timedelta(seconds=left)).astimezone(ZoneInfo(zone))
        assert quiet.left("info", end) == 0 or end.utcoffset() != wall.astimezone(ZoneInfo(zone)).utcoffset()
