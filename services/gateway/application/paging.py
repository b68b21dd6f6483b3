"""Parameters and cursors of lists."""

from datetime import UTC, datetime

from services.gateway.domain import cursors
from services.gateway.domain.cursors import PagePosition
from services.gateway.domain.problems import invalid


def next_cursor(positions: list[PagePosition], limit: int) -> str | None:
    """The cursor after a full page; a page that is not full is the last one."""
    return cursors.encode(positions[-1]) if len(positions) == limit else None


def position(cursor: str | None) -> PagePosition | None:
    """Where a page begins. Refuses a text that is no cursor."""
    if cursor is None:
        return None
    found = cursors.decode(cursor)
    if found is None:
        raise invalid("query.cursor", "this is not a cursor of ours; pass `next` of a page as it is")
    return found


def aware(name: str, value: datetime | None) -> datetime | None:
    """A time with its offset. Refuses one without."""
    if value is not None and value.tzinfo is None:
        raise invalid(f"query.{name}", "a time needs its offset, such as 2026-11-20T12:00:00Z")
    try:
        return value.astimezone(UTC) if value is not None else None
    except OverflowError as error:  # the first and the last day of the calendar have hours that UTC does not have
        raise invalid(f"query.{name}", "the time is out of range") from error
