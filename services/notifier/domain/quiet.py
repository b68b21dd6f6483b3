"""Hours of a day in which people are not told what can wait."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field

from libs.schemas.base import Name, Wire
from libs.schemas.notices import SEVERITIES, Severity

DAY_MINUTES = 1_440


def _minute(value: Any) -> Any:
    """Minutes since midnight. Trap: YAML takes 22:00 without quotes for the number 1320, and 07:00 for a text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    hours, colon, minutes = str(value).partition(":")
    if not (colon and hours.isdecimal() and minutes.isdecimal() and len(minutes) == 2 and int(minutes) < 60):
        raise ValueError('write a time of the day, like "22:00"')
    return int(hours) * 60 + int(minutes)


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("no such time zone: write it like Europe/Berlin") from error
    return name


MinuteOfDay = Annotated[int, BeforeValidator(_minute), Field(ge=0, lt=DAY_MINUTES)]
Zone = Annotated[Name, AfterValidator(_zone)]


class QuietHours(Wire):
    """`but` is the least severity that is told all the same. Of equal ends no hour is quiet."""

    begins: MinuteOfDay = Field(validation_alias="from")
    ends: MinuteOfDay = Field(validation_alias="to")
    zone: Zone = "UTC"
    but: Severity = "critical"

    def left(self, severity: Severity, wall: datetime) -> float:
        """Seconds until what is of such a severity may be told; 0 where it may be now."""
        if SEVERITIES.index(severity) >= SEVERITIES.index(self.but) or self.begins == self.ends:
            return 0.0
        there = wall.astimezone(ZoneInfo(self.zone))
        minute = there.hour * 60 + there.minute
        since = (minute - self.begins) % DAY_MINUTES
        if since >= (self.ends - self.begins) % DAY_MINUTES:
            return 0.0
        day = there + timedelta(days=1) if self.ends <= minute else there
        end = day.replace(hour=self.ends // 60, minute=self.ends % 60, second=0, microsecond=0)
        return (end.astimezone(UTC) - wall).total_seconds()
