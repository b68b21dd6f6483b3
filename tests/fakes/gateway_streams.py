"""The log of streams, the market and tickets in memory; a test decides what is stored and what is in memory."""

from collections.abc import Sequence
from datetime import datetime

from libs.schemas.market import FundingUpdate, MarketTick
from services.gateway.domain.problems import Away
from services.gateway.domain.stream_events import LOGS, LoggedEvent, MarketEvent
from services.gateway.domain.stream_ring import Listeners, Ring

PAGE = 3


class FakeStreamLog:
    """Keeps everything; `most` events of it are in memory."""

    def __init__(self, most: int = 8_192) -> None:
        self.stored: list[LoggedEvent] = []
        self.first = [1] * len(LOGS)
        self.epoch = "aaaabbbbcccc"
        self.listeners = Listeners()
        self.ring: Ring | None = Ring((0,) * len(LOGS), most)
        self.silence_s = 0.0
        self.away = False
        self.asked = 0

    def store(self, log: int, subject: str, body: bytes = b"{}", sequence: int | None = None) -> LoggedEvent:
        """The next one of a log, a second after the last of all."""
        ours = [event.sequence for event in self.stored if event.log == log]
        place = sequence or max(ours, default=0) + 1
        event = LoggedEvent(log, place, (len(self.stored) + 1) * 1_000_000_000, subject, body)
        self.stored.append(event)
        assert self.ring is not None
        self.ring.append(event)
        self.listeners.tell(event)
        return event

    async def oldest(self, log: int) -> int:
        if self.away:
            raise Away("NATS")
        return self.first[log]

    async def after(self, log: int, sequence: int, until: int) -> Sequence[LoggedEvent]:
        if self.away:
            raise Away("NATS")
        self.asked += 1
        begin = max(sequence + 1, self.first[log])
        return [one for one in self.stored if one.log == log and begin <= one.sequence <= until][:PAGE]


class FakeMarketFeed:
    def __init__(self) -> None:
        self.order = self.looking = 0
        self._newest: dict[tuple[type, str], MarketEvent] = {}

    def tell(self, told: MarketTick | FundingUpdate, sequence: int) -> None:
        self.order += 1
        self._newest[type(told), told.symbol] = MarketEvent(self.order, sequence, told)

    async def join(self) -> None:
        self.looking += 1

    async def leave(self) -> None:
        self.looking -= 1

    def newer(self, order: int) -> list[MarketEvent]:
        return sorted((one for one in self._newest.values() if one.order > order), key=lambda one: one.order)


class FakeTickets:
    def __init__(self) -> None:
        self.kept: dict[str, tuple[str, datetime]] = {}
        self.away = False

    async def keep(self, ticket: str, key_hash: str, until: datetime) -> None:
        self.kept[ticket] = key_hash, until

    async def take(self, ticket: str, now: datetime) -> str | None:
        if self.away:
            raise Away("NATS")
        key_hash, until = self.kept.pop(ticket, (None, now))
        return key_hash if now < until else None
