"""Which ticks count: one source of a symbol at a time, and no price far outside the recent ones until it is confirmed.

Whoever reads ticks asks the same rules, so that a context, a verdict and a fill are of the same prices.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from statistics import median

from libs.schemas.market import MarketTick

SAMPLES = 30  # recent prices, a second apart at least, of which the median is taken
ENOUGH = 5  # with fewer there is no band
SAMPLE_EVERY = timedelta(seconds=1)
LATE = timedelta(seconds=60)  # what is older than the newest by more repairs the past and is not compared with now
ESTABLISHED = 2  # ticks after which a source keeps its symbol: the first one may have been anybody's
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class DoubtKind(StrEnum):
    """Why a tick, or a figure of it, was not taken."""

    PRICE = "price"
    FIGURE = "figure"
    SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something about a symbol's ticks that a person should look at."""

    symbol: str
    kind: DoubtKind
    at: datetime
    message: str


@dataclass(frozen=True, slots=True)
class AdmissionRules:
    """`band` is a fraction of the robust recent price. `source` is the one that counts, "" for the one that was first;
    another one takes its place when it has said nothing for `silence` seconds of market time."""

    band: float = 0.1
    source: str = ""
    silence: float = 45.0


class Line:
    """What is known of one symbol's ticks."""

    __slots__ = ("count", "heard", "held", "high", "low", "prices", "sample_at", "source", "told")

    def __init__(self, source: str, at: datetime) -> None:
        self.source = source
        self.heard = at
        self.count = 0
        self.prices: deque[float] = deque(maxlen=SAMPLES)
        self.sample_at = _LONG_AGO
        self.low, self.high = 0.0, float("inf")
        self.held: tuple[MarketTick, int] | None = None
        self.told: set[str] = set()

    def sample(self, price: float, band: float) -> None:
        self.prices.append(price)
        if len(self.prices) >= ENOUGH:
            middle = median(self.prices)
            self.low, self.high = middle * (1 - band), middle * (1 + band)

    def move_to(self, first: float, second: float, band: float) -> None:
        """Two ticks agree that the market is somewhere else."""
        self.prices.clear()
        self.prices.extend((first, second) * (ENOUGH // 2))
        self.sample(second, band)


class Admission:
    """Asked for every tick, in the order of the log; `on_doubt` is told what was not taken and why."""

    def __init__(self, rules: AdmissionRules, on_doubt: Callable[[Doubt], None] | None = None) -> None:
        self._rules = rules
        self._on_doubt = on_doubt
        self._silence = timedelta(seconds=rules.silence)
        self._lines: dict[str, Line] = {}
        self.refused = dict.fromkeys(DoubtKind, 0)

    def admit(self, tick: MarketTick, sequence: int) -> tuple[tuple[MarketTick, int], ...]:
        """The ticks that count now, with their sequences: none while one is held, two when one confirms it."""
        at = tick.ts
        if at is None:
            return ((tick, sequence),)
        line = self._lines.get(tick.symbol)
        if line is None:
            if self._rules.source and tick.source != self._rules.source:
                return self._foreign(self._lines.setdefault(tick.symbol, Line(self._rules.source, _LONG_AGO)), tick, at)
            line = self._lines[tick.symbol] = Line(tick.source, at)
        elif tick.source != line.source and not self._takes_over(line, tick, at):
            return self._foreign(line, tick, at)
        line.count += 1
        if at < line.heard - LATE:
            return ((tick, sequence),)
        if at > line.heard:
            line.heard = at
        price, low, high = tick.price, line.low, line.high
        if not low <= price <= high:
            return self._beyond(line, tick, sequence, at)
        if line.held is not None:
            self._drop(line, at)
        for value in (tick.bid, tick.ask, tick.mark_price, tick.index_price):
            if value is not None and not low <= value <= high:
                tick = self._plausible(line, tick, at)
                break
        if at >= line.sample_at:
            line.sample_at = at + SAMPLE_EVERY
            line.sample(price, self._rules.band)
        return ((tick, sequence),)

    def _takes_over(self, line: Line, tick: MarketTick, at: datetime) -> bool:
        """Whether another source takes the symbol's place."""
        if self._rules.source or (line.count >= ESTABLISHED and at - line.heard <= self._silence):
            return False
        if line.count >= ESTABLISHED:
            message = f"{tick.source} takes the place of {line.source}, which has been silent since {line.heard}"
            self._tell(Doubt(tick.symbol, DoubtKind.SOURCE, at, message))
        line.source, line.count, line.held = tick.source, 0, None
        line.told.clear()
        return True

    def _foreign(self, line: Line, tick: MarketTick, at: datetime) -> tuple[()]:
        self.refused[DoubtKind.SOURCE] += 1
        if tick.source not in line.told and len(line.told) < SAMPLES:
            line.told.add(tick.source)
            message = f"{tick.source} publishes prices too and is not listened to; {line.source} is the source"
            self._tell(Doubt(tick.symbol, DoubtKind.SOURCE, at, message))
        return ()

    def _beyond(
        self, line: Line, tick: MarketTick, sequence: int, at: datetime
    ) -> tuple[()] | tuple[tuple[MarketTick, int], tuple[MarketTick, int]]:
        """Hold a tick until the next one says whether the market is there."""
        held = line.held
        if held is not None and _same(held[0], tick):
            return ()
        if held is not None and (held[0].price > line.high) == (tick.price > line.high):
            line.held = None
            line.move_to(held[0].price, tick.price, self._rules.band)
            return (self._plausible(line, held[0], at), held[1]), (self._plausible(line, tick, at), sequence)
        if held is not None:
            self._drop(line, at)
        line.held = tick, sequence
        return ()

    def _drop(self, line: Line, at: datetime) -> None:
        """The tick that was held stood alone."""
        assert line.held is not None  # noqa: S101 - looked at by the callers
        wrong, line.held = line.held[0], None
        self.refused[DoubtKind.PRICE] += 1
        message = f"a price of {wrong.price:g} was beyond {line.low:g} to {line.high:g} and no tick confirmed it"
        self._tell(Doubt(wrong.symbol, DoubtKind.PRICE, at, message))

    def _plausible(self, line: Line, tick: MarketTick, at: datetime) -> MarketTick:
        """The tick without a bid, ask, mark or index that is far away from its own price."""
        low, high = tick.price * (1 - self._rules.band), tick.price * (1 + self._rules.band)
        wrong = [name for name in _FIGURES if _outside(getattr(tick, name), low, high)]
        if not wrong or len(line.prices) < ENOUGH:
            return tick
        self.refused[DoubtKind.FIGURE] += 1
        message = f"{', '.join(wrong)} of a tick at {tick.price:g} beyond {low:g} to {high:g} was left out"
        self._tell(Doubt(tick.symbol, DoubtKind.FIGURE, at, message))
        return tick.model_copy(update=dict.fromkeys(wrong))

    def _tell(self, doubt: Doubt) -> None:
        if self._on_doubt is not None:
            self._on_doubt(doubt)


_FIGURES = ("bid", "ask", "mark_price", "index_price")


def _outside(value: float | None, low: float, high: float) -> bool:
    return value is not None and not low <= value <= high


def _same(held: MarketTick, tick: MarketTick) -> bool:
    """Whether one tick came twice: that confirms nothing."""
    if held.tick_id is not None or tick.tick_id is not None:
        return held.tick_id == tick.tick_id
    return (held.ts, held.price, held.size) == (tick.ts, tick.price, tick.size)
