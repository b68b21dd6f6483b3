"""Ticks and other market events: read in order with a raw callback, checked, never blocking."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from libs.perps.admission import Admission
from libs.runtime.bus import Bus
from libs.runtime.clock import STALE_AFTER_S, Clock
from libs.runtime.reader import OrderedReader, Record, Start
from libs.runtime.validation import explain
from libs.schemas.market import FundingUpdate, MarketNote, MarketTick
from libs.schemas.reasons import DeadLetterCode
from libs.schemas.subjects import MARKET, MAX_TICK_BYTES, TICK_ANY
from libs.schemas.symbols import misspelled

MAX_CLOCK_SKEW_S = 5.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WALL_JITTER_S = 0.25  # at replay speed this much wall time is worth `speed` times as much market time

_CLOCK_EVERY = 1_024  # ticks: a clock that is set back is noticed after so many
_TICK_PREFIX = f"{TICK_ANY}."

_parse_tick = MarketTick.__pydantic_validator__.validate_json  # model_validate_json costs 0.4 µs more per tick


@dataclass(frozen=True, slots=True)
class BadTick:
    """A market event that was refused: why, and which field is wrong where there is one."""

    record: Record
    code: DeadLetterCode
    field: str | None
    message: str


class TickIntake:
    """Reads MARKET in order and hands on what is valid. Every callback gets the MARKET sequence with the value.

    With an `admission` a tick may be held until the next one of its symbol confirms it, and come with its own sequence.
    """

    def __init__(
        self,
        bus: Bus,
        clock: Clock,
        *,
        on_tick: Callable[[MarketTick, int], None],
        on_funding: Callable[[FundingUpdate, int], None] | None = None,
        on_note: Callable[[MarketNote, int], None] | None = None,
        on_bad: Callable[[BadTick], None] | None = None,
        start: Start | None = None,
        max_clock_skew_s: float = MAX_CLOCK_SKEW_S,
        admission: Admission | None = None,
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._on_tick = on_tick
        self._on_funding = on_funding
        self._on_note = on_note
        self._on_bad = on_bad
        self._admission = admission
        self._skew_s = max_clock_skew_s
        self._reached = _EPOCH  # market time that is known to have come
        self.received = 0
        self.bad = 0
        self._reader = self._make(start or Start.new())

    def _make(self, start: Start) -> OrderedReader:
        filters = [TICK_ANY, "market.tick.*"]
        if self._on_funding:
            filters.append("market.funding.*")
        if self._on_note:
            filters.append("market.note.*")
        return OrderedReader(self._bus, MARKET.name, filters, self.take, start=start)

    @property
    def last_sequence(self) -> int:
        return self._reader.last_sequence

    async def reached(self, sequence: int) -> None:
        await self._reader.reached(sequence)

    async def start(self) -> None:
        await self._reader.start()

    async def stop(self) -> None:
        await self._reader.stop()

    async def restart(self, start: Start) -> None:
        """Read again from another place."""
        await self._reader.stop()
        self._reader = self._make(start)
        await self._reader.start()

    async def caught_up(self) -> None:
        await self._reader.caught_up()

    def take(self, record: Record) -> None:
        """Check one record and hand it on; the hot path of every worker that reads ticks."""
        self.received += 1
        if len(record.data) > MAX_TICK_BYTES:
            message = f"the body has {len(record.data)} bytes, a market event has at most {MAX_TICK_BYTES}"
            self._refuse(record, DeadLetterCode.OVERSIZED, None, message)
            return
        try:
            if record.subject.startswith(TICK_ANY):
                self._tick(_parse_tick(record.data), record.subject.removeprefix(_TICK_PREFIX), record)
            else:
                self._other(record)
        except ValidationError as error:
            code, field, message = explain(error)
            self._refuse(record, code, field, _name_to_use(error) or message)

    def _other(self, record: Record) -> None:
        kind, _, key = record.subject.removeprefix("market.").partition(".")
        if kind == "funding" and self._on_funding:
            update = FundingUpdate.model_validate_json(record.data)
            if self._same_symbol(update.symbol, key, record) and self._well_spelled(update.symbol, record):
                self._on_funding(update, record.sequence)
        elif kind == "note" and self._on_note:
            note = MarketNote.model_validate_json(record.data)
            if note.symbol is None or self._well_spelled(note.symbol, record):
                self._on_note(note, record.sequence)

    def _tick(self, tick: MarketTick, key: str, record: Record) -> None:
        if key not in (tick.symbol, TICK_ANY) and not self._same_symbol(tick.symbol, key, record):
            return
        if not self._well_spelled(tick.symbol, record):
            return
        ts = tick.ts
        if ts is None:
            tick = tick.model_copy(update={"ts": self._arrival(record, self._clock.now())})
        elif (ts > self._reached or not self.received % _CLOCK_EVERY) and self._ahead(ts, record):
            return
        if self._admission is None:
            self._on_tick(tick, record.sequence)
            return
        for admitted, sequence in self._admission.admit(tick, record.sequence):
            self._on_tick(admitted, sequence)

    def _ahead(self, ts: datetime, record: Record) -> bool:
        """Whether a tick is from the future, and refused. Asking the clock costs a tenth of taking a tick: it is asked
        for those that are newer than its last answer."""
        now = self._reached = self._clock.now()
        if ts <= now or ts <= now + self._allowed():
            return False
        message = f"ts {ts.isoformat()} is ahead of market time {now.isoformat()}; leave ts out to use arrival time"
        self._refuse(record, DeadLetterCode.FUTURE, "ts", message)
        return True

    def _allowed(self) -> timedelta:
        """How far ahead of the clock a tick may be.

        A clock that stands still may have run on for as long as it takes to be called stale: ticks of that time are in
        the log, and whoever reads it again must accept what was accepted then.
        """
        wall = STALE_AFTER_S if self._clock.paused else WALL_JITTER_S
        return timedelta(seconds=self._skew_s + wall * self._clock.speed)

    def _arrival(self, record: Record, now: datetime) -> datetime:
        """Market time when the record was stored: the same for every reader, and for one that reads it again later."""
        if self._clock.paused:
            return now
        stored = _EPOCH + timedelta(microseconds=record.timestamp_ns // 1_000)
        return min(now, now - (self._clock.wall() - stored) * self._clock.speed)

    def _same_symbol(self, symbol: str, key: str, record: Record) -> bool:
        if symbol == key:
            return True
        message = f"the body is about {symbol}, the subject about {key}"
        self._refuse(record, DeadLetterCode.SUBJECT_MISMATCH, "symbol", message)
        return False

    def _well_spelled(self, symbol: str, record: Record) -> bool:
        """Another spelling of a market is no other market."""
        message = _advice(symbol)
        if message is None:
            return True
        self._refuse(record, DeadLetterCode.INVALID, "symbol", message)
        return False

    def _refuse(self, record: Record, code: DeadLetterCode, field: str | None, message: str) -> None:
        self.bad += 1
        if self._on_bad:
            self._on_bad(BadTick(record, code, field, message))


def _advice(symbol: str) -> str | None:
    name = misspelled(symbol)
    return None if name is None else f"{symbol} is {name} here: publish it under that name"


def _name_to_use(error: ValidationError) -> str | None:
    """For a symbol in signs that no name of ours has (BTC/USDT:USDT), but that names a market."""
    first = error.errors(include_url=False, include_context=False)[0]
    text = first["input"]
    return _advice(text) if first["loc"] == ("symbol",) and isinstance(text, str) else None
