"""MARKET as a log: where it stands, and its events from a sequence on."""

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime

from libs.perps.admission import Admission, AdmissionRules
from libs.runtime.bus import Bus
from libs.runtime.clock import Clock
from libs.runtime.ending import end
from libs.runtime.reader import Start
from libs.runtime.ticks import TickIntake
from libs.schemas.market import FundingUpdate, MarketTick
from libs.schemas.subjects import MARKET
from services.executor.ports import MarketEvent

BATCH = 1_000


class MarketHistory:
    def __init__(self, bus: Bus, clock: Clock, rules: AdmissionRules | None = None) -> None:
        self._bus = bus
        self._clock = clock
        self._rules = rules or AdmissionRules()

    async def created(self) -> tuple[datetime, int]:
        """When the stream was created and its last sequence: a sequence means nothing in another stream."""
        info = await self._bus.js.stream_info(MARKET.name)
        made = info.created or datetime.fromtimestamp(0, UTC)
        return made.astimezone(UTC), info.state.last_seq

    def replay(self, after: int) -> "MarketReplay":
        return MarketReplay(self._bus, self._clock, after, self._rules)


class MarketReplay:
    """The events after a sequence, in order, until the present."""

    def __init__(self, bus: Bus, clock: Clock, after: int, rules: AdmissionRules) -> None:
        self._seen: deque[tuple[MarketEvent, int]] = deque()
        self._intake = TickIntake(
            bus,
            clock,
            on_tick=self._on_event,
            on_funding=self._on_event,
            start=Start.at(after + 1),
            admission=Admission(rules),
        )
        self._caught_up: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "MarketReplay":
        await self._intake.start()
        self._caught_up = asyncio.create_task(self._intake.caught_up())
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._caught_up is not None:
            await end([self._caught_up])
        await self._intake.stop()

    async def take(self) -> Sequence[tuple[MarketEvent, int]] | None:
        """What has arrived, at most 1000 at once; None at the end."""
        while not self._seen:
            if self._caught_up is None or self._caught_up.done():
                return None
            await asyncio.wait({self._caught_up}, timeout=0.01)
        await asyncio.sleep(0)
        return [self._seen.popleft() for _ in range(min(BATCH, len(self._seen)))]

    def _on_event(self, event: MarketTick | FundingUpdate, sequence: int) -> None:
        self._seen.append((event, sequence))
