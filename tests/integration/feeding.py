"""What a feed has stored, and whether all of it is there once."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import nats
from nats.js import JetStreamContext

from libs.runtime.reader import Record, Start, read_all
from libs.runtime.worker import Worker
from libs.schemas import subjects
from libs.schemas.kv_keys import CLOCK_KEY
from libs.schemas.market import Candle, FundingUpdate, MarketClock, MarketTick
from tests.fakes.feed_markets import everything, names, short_market

MARKET = short_market()


TICKS, EVENTS = everything(MARKET)


@dataclass
class Log:
    """What is stored."""

    ticks: list[MarketTick]
    events: list[Candle | FundingUpdate]

    @property
    def ids(self) -> list[str]:
        return [tick.tick_id or "" for tick in self.ticks]


async def stored(worker: Worker) -> Log:
    log = Log([], [])

    def take(record: Record) -> None:
        if record.subject.startswith("market.tick"):
            log.ticks.append(MarketTick.model_validate_json(record.data))
        elif record.subject.startswith("market.funding"):
            log.events.append(FundingUpdate.model_validate_json(record.data))
        else:
            log.events.append(Candle.model_validate_json(record.data))

    for stream in (subjects.MARKET, subjects.CANDLES):
        await read_all(worker.bus, stream.name, list(stream.subjects), take, start=Start.all())
    return log


async def clock_of(js: JetStreamContext) -> MarketClock | None:
    try:
        message = await js.get_last_msg("KV_clock", f"$KV.clock.{CLOCK_KEY}", direct=True)
    except nats.js.errors.NotFoundError:
        return None
    return MarketClock.model_validate_json(message.data or b"")


async def until_ticks(js: JetStreamContext, count: int) -> None:
    async with asyncio.timeout(60):
        while (await js.stream_info("MARKET")).state.messages < count:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.02)


async def until_ended(js: JetStreamContext, ends: datetime) -> MarketClock:
    async with asyncio.timeout(60):
        while True:
            clock = await clock_of(js)
            if clock is not None and clock.paused and clock.origin == ends:
                return clock
            await asyncio.sleep(0.05)


def value(worker: Worker, name: str) -> float:
    return worker.registry.get_sample_value(name) or 0.0


def assert_whole(log: Log) -> None:
    """Every event of the market, each once, ticks of a symbol in order."""
    assert [name for name, n in Counter(log.ids).items() if n > 1] == []
    assert set(log.ids) == TICKS
    assert names(log.events) == EVENTS
    for symbol in MARKET.symbols:
        times = [tick.ts for tick in log.ticks if tick.symbol == symbol and tick.ts is not None]
        assert all(before < after for before, after in pairwise(times))
