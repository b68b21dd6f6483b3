"""What a publisher would send, as it stands in a file, and the market that would hear it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from cli.ask.published import PublishedKind
from cli.errors import CliError
from libs.runtime.envelope import MSG_ID
from libs.schemas import subjects
from libs.schemas.names import is_key

if TYPE_CHECKING:  # it comes with a client of the bus, and the command's options need none
    from libs.runtime.reader import Record


@dataclass(frozen=True, slots=True)
class Publication:
    """One message: the line on which it stands, the subject on which it would be published, its body as bytes."""

    line: int
    subject: str
    body: bytes
    msg_id: str | None = None


@dataclass(frozen=True, slots=True)
class StillClock:
    """Market time and wall time at the moment of the look."""

    market: datetime
    wall_time: datetime
    speed: float = 1.0
    paused: bool = False

    def now(self) -> datetime:
        return self.market

    def wall(self) -> datetime:
        return self.wall_time

    def monotonic(self) -> float:
        return self.wall_time.timestamp()


@dataclass(frozen=True, slots=True)
class Audience:
    """Who would hear: the symbols of accounts, the clock, and what MARKET holds (`whole`: from its first one on)."""

    symbols: frozenset[str]
    clock: StillClock
    heard: "tuple[Record, ...]" = ()
    whole: bool = True


def publications(text: bytes, kind: PublishedKind) -> list[Publication]:
    """JSON lines: objects of subject, body and perhaps headers, or bodies of one kind. Empty lines are passed over.
    CliError where there is none."""
    found = list(_read(text, kind))
    if not found:
        raise CliError("there is no message in it", "one message a line, as docs/publishing.md shows")
    return found


def _read(text: bytes, kind: PublishedKind) -> Iterator[Publication]:
    for number, line in enumerate(text.splitlines(), 1):
        if not (body := line.strip()):
            continue
        value = parsed(body)
        if isinstance(value, dict) and "body" in value and isinstance(subject := value.get("subject"), str):
            yield Publication(number, subject, _bytes(value["body"]), _msg_id(value.get("headers")))
        else:
            yield Publication(number, _subject(kind, value), body)


def parsed(body: bytes) -> object:
    """The value; None for what is no JSON, which the workers refuse in their own words."""
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value


def _bytes(body: object) -> bytes:
    """A text is taken as it is: so a body that is no JSON can be tried too."""
    return (body if isinstance(body, str) else json.dumps(body)).encode(errors="surrogatepass")


def _msg_id(headers: object) -> str | None:
    given = headers.get(MSG_ID) if isinstance(headers, dict) else None
    return given if isinstance(given, str) else None


def _subject(kind: PublishedKind, value: object) -> str:
    """The subject of a body that stands alone; one whose symbol is none is refused for that."""
    symbol = value.get("symbol") if isinstance(value, dict) else None
    named = symbol if isinstance(symbol, str) and is_key(symbol) else None
    if kind is PublishedKind.NOTE:
        return subjects.note(named)
    if kind is PublishedKind.FUNDING:
        return subjects.funding(named or "unknown")
    return subjects.TICK_ANY
