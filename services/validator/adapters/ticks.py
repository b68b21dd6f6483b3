"""The newest tick of every symbol, read from MARKET. Refused ones are counted here; the context worker keeps them."""

from libs.perps.admission import Admission, AdmissionRules
from libs.risk.marks import Mark, after_tick
from libs.runtime.bus import Bus
from libs.runtime.clock import Clock
from libs.runtime.reader import Start
from libs.runtime.ticks import BadTick, TickIntake
from libs.schemas.market import MarketTick
from services.validator.metrics import ValidatorMetrics


class LatestMarks:
    """Begins with the last stored tick of each symbol, so that a new copy can judge at once."""

    def __init__(self, bus: Bus, clock: Clock, metrics: ValidatorMetrics, rules: AdmissionRules) -> None:
        self._metrics = metrics
        self._marks: dict[str, Mark] = {}
        self._intake = TickIntake(
            bus,
            clock,
            on_tick=self._tick,
            on_bad=self._bad,
            start=Start.last_per_subject(),
            admission=Admission(rules),
        )

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

    def _bad(self, bad: BadTick) -> None:
        self._metrics.bad_ticks.inc()
