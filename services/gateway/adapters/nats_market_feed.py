"""The market for streams: read while somebody looks, the newest of each symbol for all of them."""

import asyncio

from libs.perps.admission import Admission, AdmissionRules
from libs.runtime.bus import Bus
from libs.runtime.clock import Clock
from libs.runtime.reader import UNREADABLE, Start
from libs.runtime.ticks import TickIntake
from libs.schemas.market import FundingUpdate, MarketTick
from services.gateway.domain.problems import Away
from services.gateway.domain.stream_events import MarketEvent

LOAD_S = 10.0


class NatsMarketFeed:
    """Ticks that count, as the workers take them."""

    def __init__(self, bus: Bus, clock: Clock, rules: AdmissionRules) -> None:
        self._bus, self._clock, self._rules = bus, clock, rules
        self._newest: dict[tuple[type, str], MarketEvent] = {}
        self._intake: TickIntake | None = None
        self._looking = 0
        self._changing = asyncio.Lock()
        self.order = 0

    async def join(self) -> None:
        async with self._changing:
            if self._intake is None:
                await self._begin()
            self._looking += 1

    async def leave(self) -> None:
        async with self._changing:
            self._looking -= 1
            if not self._looking and self._intake is not None:
                intake, self._intake = self._intake, None
                await intake.stop()

    def newer(self, order: int) -> list[MarketEvent]:
        newer: list[MarketEvent] = []
        for event in reversed(self._newest.values()):
            if event.order <= order:
                break
            newer.append(event)
        return newer[::-1]

    async def _begin(self) -> None:
        self._newest.clear()
        intake = TickIntake(
            self._bus,
            self._clock,
            on_tick=self._tell,
            on_funding=self._tell,
            start=Start.last_per_subject(),
            admission=Admission(self._rules),
        )
        try:
            async with asyncio.timeout(LOAD_S):
                await intake.start()
                await intake.caught_up()
        except UNREADABLE as error:
            await intake.stop()
            raise Away("NATS") from error
        self._intake = intake

    def _tell(self, told: MarketTick | FundingUpdate, sequence: int) -> None:
        self.order += 1
        place = type(told), told.symbol
        self._newest.pop(place, None)
        self._newest[place] = MarketEvent(self.order, sequence, told)
