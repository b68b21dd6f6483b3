"""The newest price of every symbol, read from MARKET by those who judge. The context worker keeps what is refused."""

from collections.abc import Callable

from libs.perps.admission import Admission, AdmissionRules
from libs.risk.marks import Mark, after_tick
from libs.runtime.bus import Bus
from libs.runtime.clock import Clock
from libs.runtime.reader import Start
from libs.runtime.ticks import BadTick, TickIntake
from libs.schemas.market import MarketTick


class LatestMarks:
    """Begins with the last stored tick of each symbol, so that a new copy can judge at once."""

    def __init__(
        self, bus: Bus, clock: Clock, rules: AdmissionRules, on_bad: Callable[[BadTick], None] | None = None
    ) -> None:
        self._marks: dict[str, Mark] = {}
        self._intake = TickIntake(
            bus,
            clock,
            on_tick=self._tick,
            on_bad=on_bad,
            start=Start.last_per_subject(),
            admission=Admission(rules),
        )

    async def reached(self, sequence: int) -> None:
        """Return once MARKET has been read so far."""
        await self._intake.reached(sequence)

    async def start(self) -> None:
        await self._intake.start()
        await self._intake.caught_up()

    async def stop(self) -> None:
        await self._intake.stop()

    def get(self, symbol: str) -> Mark | None:
        return self._marks.get(symbol)

    def _tick(self, tick: MarketTick, sequence: int) -> None:
        mark = after_tick(self._marks.get(tick.symbol), tick)
        if mark is not None:
            self._marks[tick.symbol] = mark
