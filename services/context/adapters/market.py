"""The market's log in NATS: candles first, then the newest ticks, then whatever comes."""

import asyncio
import logging
from collections.abc import Iterable
from datetime import timedelta

from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from libs.perps.admission import Admission, AdmissionRules
from libs.runtime.bus import NATS_RETRY, Bus
from libs.runtime.clock import Clock
from libs.runtime.errors import Unavailable
from libs.runtime.health import Doing
from libs.runtime.reader import OrderedReader, Record, Start, read_all
from libs.runtime.ticks import MAX_CLOCK_SKEW_S, WALL_JITTER_S, BadTick, TickIntake
from libs.schemas import subjects
from libs.schemas.base import Timeframe
from libs.schemas.market import Candle
from libs.schemas.symbols import misspelled
from services.context.adapters.deadletters import DeadTicks
from services.context.domain.market import MarketState
from services.context.domain.series import Source
from services.context.domain.triggers import timeframes_in_use
from services.context.metrics import Metrics
from services.context.ports import ContextStates, Followers

_FOLLOW_S = 1.0
_AWAY: tuple[type[Exception], ...] = (*NATS_RETRY, Unavailable)
log = logging.getLogger(__name__)


class NatsMarketLog:
    """Feeds the market. `ready` once all that was stored at the start has been folded in."""

    def __init__(
        self,
        bus: Bus,
        clock: Clock,
        config: Followers,
        market: MarketState,
        dead: DeadTicks,
        metrics: Metrics,
        replay_ticks: int,
        states: ContextStates | None = None,
        rules: AdmissionRules | None = None,
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._config = config
        self._states = states
        self._market = market
        self._dead = dead
        self._metrics = metrics
        self._replay = replay_ticks
        self._candles: list[OrderedReader] = []
        self._followed: frozenset[Timeframe] = frozenset()
        self._here: frozenset[Timeframe] = frozenset()
        self._following = asyncio.Lock()
        self._intake = TickIntake(
            bus,
            clock,
            on_tick=market.on_tick,
            on_funding=market.on_funding,
            on_note=market.on_note,
            on_bad=self._put_aside,
            admission=Admission(rules or AdmissionRules(silence=market.bounds.max_tick_age), market.doubts.put),
        )
        self._candles_read = 0
        self.ready = False

    @property
    def doing(self) -> Doing:
        """Of the start: what is read back from the log."""
        what = "reads ticks" if self._intake.received else "reads candles"
        return Doing(what, self._candles_read + self._intake.received)

    @property
    def last_sequence(self) -> int:
        """Sequence of MARKET that was read last."""
        return self._intake.last_sequence

    def _put_aside(self, bad: BadTick) -> None:
        self._metrics.refused.labels(bad.code.value).inc()
        self._dead.take(bad)

    async def start(self) -> None:
        self._market.reserve(self._configured())
        await self.follow(self._wanted() | self._market.timeframes)
        state = (await self._bus.js.stream_info(subjects.MARKET.name)).state
        await self._dead.skip_known(state.last_seq)
        first = max(state.first_seq, state.last_seq - self._replay + 1, 1)
        self._market.read_from(0 if first == 1 else None)
        await self._intake.restart(Start.at(first))
        await self._intake.caught_up()
        self._market.go_live()
        self.ready = True
        log.info("the market is caught up", extra={"ticks": self._intake.received, "bad": self._intake.bad})

    async def stop(self) -> None:
        self.ready = False
        await self._intake.stop()
        for reader in self._candles:
            await reader.stop()

    @property
    def sequence(self) -> int:
        """Of the last market event that was folded in."""
        return self._intake.last_sequence

    async def drained(self, patience: float) -> bool:
        """Whether every tick that is stored now was folded in within `patience` wall seconds; no while NATS is away."""
        try:
            state = (await self._bus.js.stream_info(subjects.MARKET.name)).state
        except NATS_RETRY:
            return False
        if not state.messages:
            return True
        try:
            async with asyncio.timeout(patience):
                await self._intake.reached(state.last_seq)
        except TimeoutError:
            return False
        return True

    async def follow(self, timeframes: Iterable[Timeframe]) -> None:
        """Keep candles of these timeframes as well; returns when their history is there."""
        if self._here.issuperset(timeframes):  # who needs nothing new does not wait for who does
            return
        async with self._following:
            if new := frozenset(timeframes) - self._followed:
                self._market.use(new)
                await self._read_candles(new)

    async def follow_config(self) -> None:
        """Follow the timeframes of strategies that are assigned later, and the symbols of accounts."""
        while True:
            await asyncio.sleep(_FOLLOW_S)
            try:
                await self.follow(self._wanted())
                await self._read_late(self._market.reserve(self._configured()))
            except _AWAY as error:
                log.warning("cannot read the candles of a new timeframe or symbol yet: %r", error)

    def _wanted(self) -> frozenset[Timeframe]:
        return timeframes_in_use(self._config.accounts, self._config.strategies)

    def _configured(self) -> frozenset[str]:
        """What accounts trade, and what they still hold."""
        accounts = self._config.accounts
        states = [self._states.get(name) for name in accounts] if self._states else []
        held = (position.symbol for state in states if state is not None for position in state.positions)
        return frozenset((*(symbol for account in accounts.values() for symbol in account.symbols), *held))

    async def _read_late(self, symbols: frozenset[str]) -> None:
        """The candles of symbols that had been left out, and are configured since."""
        if symbols:
            filters = [subjects.candle(symbol, timeframe) for symbol in symbols for timeframe in self._followed]
            await read_all(self._bus, subjects.CANDLES.name, sorted(filters), self._on_candle, start=Start.all())

    async def _read_candles(self, timeframes: frozenset[Timeframe]) -> None:
        filters = sorted(subjects.candle("*", timeframe) for timeframe in timeframes)
        reader = OrderedReader(self._bus, subjects.CANDLES.name, filters, self._on_candle, start=Start.all())
        await reader.start()
        self._candles.append(reader)
        self._followed |= frozenset(timeframes)
        await reader.caught_up()
        self._here |= frozenset(timeframes)

    def _on_candle(self, record: Record) -> None:
        self._candles_read += 1
        try:
            candle = Candle.model_validate_json(record.data)
        except ValidationError as error:
            self._refuse(record, str(error.errors(include_url=False, include_input=False)[:1]))
            return
        skew = MAX_CLOCK_SKEW_S + WALL_JITTER_S * self._clock.speed
        if subjects.candle(candle.symbol, candle.timeframe) != record.subject:
            self._refuse(record, "the body is about another symbol or timeframe than the subject")
        elif (name := misspelled(candle.symbol)) is not None:
            self._refuse(record, f"{candle.symbol} is {name} here: publish it under that name")
        elif candle.close_time > self._clock.now() + timedelta(seconds=skew):
            self._refuse(record, f"it closes at {candle.close_time.isoformat()}, ahead of market time")
        else:
            self._market.on_candle(candle, Source.LOGGED if candle.origin == "context" else Source.FEED)

    def _refuse(self, record: Record, why: str) -> None:
        self._metrics.bad_candles.inc()
        log.warning("the candle %s:%d is not used: %s", record.subject, record.sequence, why)


def of_ones_own(
    bus: Bus, clock: Clock, config: Followers, market: MarketState, ticks: int, rules: AdmissionRules
) -> NatsMarketLog:
    """Fills a market from the log for a look. What is bad is passed over: the workers put it aside."""
    metrics = Metrics(CollectorRegistry())
    return NatsMarketLog(bus, clock, config, market, DeadTicks(bus, clock, metrics, 1), metrics, ticks, rules=rules)
