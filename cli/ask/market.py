"""`perpetua market`: what is known of each symbol: price, age, candles, gaps, differences; and who lags behind."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

import orjson
from prometheus_client.parser import text_string_to_metric_families
from pydantic import ValidationError

from cli.connection import connected
from cli.errors import CliError
from cli.probe import get
from cli.runfile import WorkerEntry
from libs.configuration.mirror import ConfigMirror
from libs.runtime.bus import Bus
from libs.runtime.clock import MarketClockMirror
from libs.runtime.errors import Unavailable
from libs.runtime.reader import Record, Start, read_all
from libs.schemas.base import TIMEFRAME_SECONDS
from libs.schemas.market import MarketTick
from libs.schemas.subjects import CANDLES, MARKET, candle

READ_TIMEOUT_S = 5.0
CANDLES_S = 4.0  # what a bus full of foreign symbols may cost; the configured ones are looked at whatever it takes
SLACK_S = 15.0  # market seconds that a candle may take to come


@dataclass(frozen=True, slots=True)
class CandleGap:
    """Candles that are missing between others: opening times of the first and of the one after the last."""

    timeframe: str
    begin: datetime
    end: datetime
    candles: int


@dataclass(slots=True)
class SymbolRow:
    """One symbol. `age_s` in market seconds; `late` are timeframes whose newest candle is not there."""

    symbol: str
    price: float | None = None
    age_s: float | None = None
    source: str = ""
    candles: dict[str, int] = field(default_factory=dict)
    late: list[str] = field(default_factory=list)
    gaps: list[CandleGap] = field(default_factory=list)
    mismatches: int | None = None
    missed: int | None = None


@dataclass(slots=True)
class MarketView:
    """`lags` are events of MARKET that a context worker has not read yet, None where it does not answer.

    `left_out` are symbols on the bus that a context worker does not follow, as many as it names, and how many they are.
    `unread` are symbols whose candles were not looked at: the answer would have taken longer.
    """

    market_time: datetime
    paused: bool
    speed: float
    symbols: list[SymbolRow] = field(default_factory=list)
    lags: dict[str, int | None] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    left_out_count: int = 0
    unread: list[str] = field(default_factory=list)

    def as_json(self) -> str:
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2).decode()


async def look(url: str, workers: Iterable[WorkerEntry] = ()) -> MarketView:
    """Ask the bus and the context workers. CliError when the bus does not answer."""
    async with connected(url) as bus:
        clock = MarketClockMirror(bus)
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                await clock.start()
            async with asyncio.timeout(READ_TIMEOUT_S):
                ticks, stored = await _ticks(bus), await _symbols_with_candles(bus)
                own = await _configured(bus)
                end = (await bus.js.stream_info(MARKET.name)).state.last_seq
                found, said = await _ask(workers, "/metrics"), await _ask(workers, "/health")
            symbols = sorted(ticks.keys() | stored, key=lambda symbol: (symbol not in own, symbol))
            times = await _candles(bus, [symbol for symbol in symbols if symbol in stored], own)
        except (TimeoutError, Unavailable) as error:
            raise CliError(f"the market was not read within {READ_TIMEOUT_S:.0f} s", "ask again in a moment") from error
        finally:
            await clock.stop()
        view = MarketView(clock.now(), clock.paused, clock.speed)
    view.symbols = [
        symbol_row(symbol, ticks.get(symbol), times.get(symbol, {}), view.market_time)
        for symbol in sorted(ticks.keys() | times.keys())
    ]
    view.unread = [symbol for symbol in symbols if symbol in stored and symbol not in times]
    add_workers(view, found, end)
    add_left_out(view, said)
    return view


def symbol_row(symbol: str, tick: MarketTick | None, times: Mapping[str, set[int]], now: datetime) -> SymbolRow:
    """`times` are opening times (epoch seconds) of the stored candles by timeframe."""
    row = SymbolRow(symbol)
    if tick is not None:
        row.price, row.source = tick.price, tick.source
        row.age_s = None if tick.ts is None else max(0.0, (now - tick.ts).total_seconds())
    for timeframe in (tf for tf in TIMEFRAME_SECONDS if tf in times):
        step, known = TIMEFRAME_SECONDS[timeframe], sorted(times[timeframe])
        row.candles[timeframe] = len(known)
        row.gaps += gaps(timeframe, known, step)
        if known[-1] < int(now.timestamp() - SLACK_S) // step * step - step:
            row.late.append(timeframe)
    return row


def gaps(timeframe: str, times: list[int], step: int) -> list[CandleGap]:
    """Where ascending `times` leave some out."""
    return [
        CandleGap(timeframe, _utc(a + step), _utc(b), (b - a) // step - 1) for a, b in pairwise(times) if b - a > step
    ]


def add_workers(view: MarketView, answers: Mapping[str, str | None], end: int) -> None:
    """What context workers count: the metrics of each by its name, None where it did not answer."""
    differences: Counter[tuple[str, str]] = Counter()
    for name, text in answers.items():
        view.lags[name] = None
        for family in text_string_to_metric_families(text or ""):
            for sample in family.samples:
                if sample.name == "perpetua_context_market_sequence":
                    view.lags[name] = max(0, end - int(sample.value))
                elif sample.name == "perpetua_context_candle_mismatches_total":
                    key = sample.labels["symbol"], sample.labels["kind"]
                    differences[key] = max(differences[key], int(sample.value))  # replicas see the same
    if any(lag is not None for lag in view.lags.values()):
        for row in view.symbols:
            row.mismatches, row.missed = differences[row.symbol, "mismatch"], differences[row.symbol, "missed"]


def add_left_out(view: MarketView, answers: Mapping[str, str | None]) -> None:
    """What context workers do not follow: the health of each by its name. Replicas may leave out different ones."""
    for left_out in map(left_out_of, answers.values()):
        if left_out is not None and left_out.count > view.left_out_count:
            view.left_out, view.left_out_count = list(left_out.names), left_out.count


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Symbols that a context worker has no room for: the first of them, and how many they are."""

    names: tuple[str, ...]
    count: int
    followed: int


def left_out_of(health: str | None) -> LeftOut | None:
    """What a context worker's health says; None where it does not say it."""
    try:
        said = orjson.loads(health or "")["market"]
        return LeftOut(tuple(map(str, said["names"])), int(said["left_out"]), int(said["followed"]))
    except (ValueError, KeyError, TypeError):
        return None


async def _ticks(bus: Bus) -> dict[str, MarketTick]:
    """The newest of each subject; what is not a tick is a dead letter and no concern of this."""
    found: dict[str, MarketTick] = {}

    def take(record: Record) -> None:
        try:
            tick = MarketTick.model_validate_json(record.data)
        except ValidationError:
            return
        stored = datetime.fromtimestamp(record.timestamp_ns / 1e9, UTC)
        found[tick.symbol] = tick if tick.ts else tick.model_copy(update={"ts": stored})

    await read_all(bus, MARKET.name, ["market.tick", "market.tick.*"], take, start=Start.last_per_subject())
    return found


async def _symbols_with_candles(bus: Bus) -> set[str]:
    info = await bus.js.stream_info(CANDLES.name, subjects_filter=CANDLES.subjects[0])
    return {subject.split(".")[2] for subject in info.state.subjects or ()}


async def _configured(bus: Bus) -> set[str]:
    config = ConfigMirror(bus)
    try:
        await config.start()
        return {symbol for account in config.accounts.values() for symbol in account.symbols}
    finally:
        await config.stop()


async def _candles(bus: Bus, symbols: Iterable[str], own: Container[str]) -> dict[str, dict[str, set[int]]]:
    """Opening times by symbol and timeframe, of the configured symbols and of as many others as there is time for."""
    found = {symbol: await _times(bus, symbol) for symbol in symbols if symbol in own}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CANDLES_S):
            for symbol in symbols:
                if symbol not in own:
                    found[symbol] = await _times(bus, symbol)
    return found


async def _times(bus: Bus, symbol: str) -> dict[str, set[int]]:
    times: dict[str, set[int]] = {}

    def take(record: Record) -> None:
        timeframe = record.subject.rpartition(".")[2]
        try:
            opened = datetime.fromisoformat(orjson.loads(record.data)["open_time"])
        except (ValueError, KeyError, TypeError):
            return
        if timeframe in TIMEFRAME_SECONDS and opened.tzinfo is not None:
            times.setdefault(timeframe, set()).add(int(opened.timestamp()))

    await read_all(bus, CANDLES.name, [candle(symbol, "*")], take, start=Start.all())
    return times


async def _ask(workers: Iterable[WorkerEntry], path: str) -> dict[str, str | None]:
    """What each context worker says."""
    asked = [one for one in workers if one.instance.startswith("context")]
    answers = await asyncio.gather(*(get(one.ops_port, path) for one in asked))
    return {
        one.instance: answer[1] if answer and answer[0] == 200 else None
        for one, answer in zip(asked, answers, strict=True)
    }


def _utc(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
