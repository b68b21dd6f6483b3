"""Opaque positions in lists that are sorted by time and id, newest first."""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class PagePosition:
    """The last entry of a page: the next page begins after it."""

    at: datetime
    id: str


def encode(position: PagePosition) -> str:
    """A cursor for URLs. Times are kept to the millisecond, as MongoDB keeps them."""
    raw = json.dumps([round(position.at.timestamp() * 1000), position.id], separators=(",", ":"))
    return base64.urlsafe_b64encode(raw.encode()).rstrip(b"=").decode()


def decode(cursor: str) -> PagePosition | None:
    """The position that a cursor stands for; None for a text that is no cursor of ours."""
    try:
        milliseconds, entry = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        at = datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
    except (binascii.Error, ValueError, TypeError, OverflowError, OSError):
        return None
    return PagePosition(at, entry) if isinstance(entry, str) and _is_text(entry) else None


def _is_text(entry: str) -> bool:
    """Half a surrogate pair, which JSON can name, is none that a database takes."""
    return not any("\ud800" <= letter <= "\udfff" for letter in entry)
