"""The log of streams, the market and tickets in memory; a test decides what is stored and what is in memory."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from libs.risk.marks import Mark
from libs.schemas.base import Timeframe
from libs.schemas.context import TradingContext
from libs.schemas.market import Candle, FundingUpdate, MarketTick
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


class FakeMarket:
    """Nothing is known of it but what a test puts in."""

    def __init__(self) -> None:
        self.ticks: dict[str, MarketTick] = {}
        self.closed: list[Candle] = []

    async def tick(self, symbol: str) -> MarketTick | None:
        return self.ticks.get(symbol)

    async def candles(self, symbol: str, timeframe: Timeframe, limit: int) -> list[Candle]:
        return [one for one in self.closed if (one.symbol, one.timeframe) == (symbol, timeframe)][-limit:]

    async def marks(self, symbols: Iterable[str]) -> dict[str, Mark]:
        return {}

    async def context(self, account_id: str) -> TradingContext | None:
        return None
