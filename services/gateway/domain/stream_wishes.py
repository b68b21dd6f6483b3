"""What a client wants of a stream, and why one ends."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from libs.schemas.base import AccountId
from libs.schemas.names import KEY_PATTERN
from services.gateway.domain.configuring import Body
from services.gateway.domain.stream_events import Channel, LoggedEvent, MarketEvent
from services.gateway.domain.stream_ring import PLACE_PATTERN

HEARTBEAT_S = 15.0
TICKET_S = 30
TICKET_PATTERN = r"^once_[A-Za-z0-9_-]{20,100}$"
_ONE = f"({'|'.join(Channel)})"
_KEY = KEY_PATTERN.removeprefix("^").removesuffix("$")
DEFAULT_CHANNELS = "decisions,orders,positions,alerts"

ChannelList = Annotated[
    str, StringConstraints(pattern=f"^{_ONE}(,{_ONE}){{0,9}}$"), Field(description="which, joined by commas")
]
SymbolList = Annotated[
    str,
    StringConstraints(pattern=f"^{_KEY}(,{_KEY}){{0,49}}$"),
    Field(description="only what is about one of these, joined by commas; what is about none comes too"),
]
EventId = Annotated[
    str, StringConstraints(pattern=PLACE_PATTERN), Field(description="go on behind the event of this id")
]
Ticket = Annotated[
    str,
    StringConstraints(pattern=TICKET_PATTERN),
    Field(description="in the place of a key, once: POST /stream/tickets"),
]


class StreamQuery(Body):
    """The parameters of a stream as they are written."""

    channels: ChannelList = DEFAULT_CHANNELS
    account_id: AccountId | None = None
    symbols: SymbolList | None = None
    last_event_id: EventId | None = None
    ticket: Ticket | None = None


class StreamLogin(Body):
    """The first message of a client that sent neither a key nor a ticket before."""

    type: Annotated[str, StringConstraints(pattern="^auth$")]
    key: Annotated[str, StringConstraints(max_length=200)] | None = None
    ticket: Ticket | None = None


class StreamTicket(Body):
    """Opens one stream, once, within its seconds, with the rights of the key that it was asked for with."""

    ticket: str
    expires_in: int = Field(description="seconds")


class StreamEnd(StrEnum):
    """Why a stream ended. A client may come back behind its last event unless its key is the reason."""

    KEY_REVOKED = "key-revoked"
    KEY_EXPIRED = "key-expired"
    KEY_UNKNOWN = "key-unknown"
    KEYS_OUT_OF_TOUCH = "keys-out-of-touch"
    TOO_SLOW = "too-slow"
    LOG_RESTARTED = "log-restarted"
    DEPENDENCY_AWAY = "dependency-away"
    STOPPING = "stopping"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Ending:
    """How an end is told: the code of the WebSocket's close, and words."""

    code: int
    detail: str


ENDINGS = {
    StreamEnd.KEY_REVOKED: Ending(4401, "this API key was revoked"),
    StreamEnd.KEY_EXPIRED: Ending(4401, "this API key has expired"),
    StreamEnd.KEY_UNKNOWN: Ending(4401, "this API key is not known any more"),
    StreamEnd.KEYS_OUT_OF_TOUCH: Ending(4503, "NATS does not answer, and with it the word of revoked keys"),
    StreamEnd.TOO_SLOW: Ending(4408, "events came faster than they were read; come back behind the last one"),
    StreamEnd.LOG_RESTARTED: Ending(4503, "the log was made anew; come back, and be told what that means"),
    StreamEnd.DEPENDENCY_AWAY: Ending(4503, "NATS does not answer; come back behind the last event"),
    StreamEnd.STOPPING: Ending(1012, "this gateway stops; come back behind the last event"),
    StreamEnd.LEFT: Ending(1000, "the client left"),
}


@dataclass(frozen=True, slots=True)
class StreamWish:
    """What a client wants: of one account or of all that its key sees, of some symbols or (empty) of any."""

    channels: frozenset[Channel]
    account_id: str | None = None
    symbols: frozenset[str] = frozenset()

    def accounts(self, seen: frozenset[str] | None) -> frozenset[str] | None:
        """Whose events may come at all, of those that a key sees; None: those of all accounts, and of none."""
        return seen if self.account_id is None else frozenset({self.account_id})

    def takes(self, event: LoggedEvent, seen: frozenset[str] | None) -> bool:
        """Whether an event is for a client that sees these accounts; what is about no account is for those of all."""
        if event.channel not in self.channels:
            return False
        if seen is not None and event.account_id not in seen:
            return False
        if self.account_id is not None and event.account_id != self.account_id:
            return False
        return not self.symbols or not event.symbols or not self.symbols.isdisjoint(event.symbols)

    def takes_market(self, event: MarketEvent) -> bool:
        return not self.symbols or event.told.symbol in self.symbols


def wish_of(query: StreamQuery) -> StreamWish:
    channels = frozenset(Channel(name) for name in query.channels.split(","))
    return StreamWish(channels, query.account_id, frozenset(query.symbols.split(",") if query.symbols else ()))
