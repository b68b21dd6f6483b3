"""Market data as publishers send it over HTTP, and as the API shows it."""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from libs.schemas.base import Symbol
from libs.schemas.market import Candle, MarketTick
from libs.schemas.symbols import misspelled
from services.gateway.domain.configuring import Body
from services.gateway.domain.problems import invalid

MOST_TICKS = 500
SKEW = timedelta(seconds=5)  # what the workers allow a source's clock to be ahead
JITTER_S = 0.25  # of wall time; at replay speed it is worth more market time


def _in_our_name(symbol: object) -> object:
    """Before the pattern of symbols is asked: it refuses BTC/USDT:USDT without the name to use."""
    if isinstance(symbol, str) and (name := misspelled(symbol)):
        raise PydanticCustomError("misspelled", "{symbol} is {name} here", {"symbol": symbol, "name": name})
    return symbol


class ToldTick(MarketTick):
    """A tick whose symbol may not be another spelling of a market."""

    symbol: Annotated[Symbol, BeforeValidator(_in_our_name)]


class TicksBody(Body):
    """Ticks in the order in which they happened. All are valid, or none is published."""

    ticks: Annotated[tuple[ToldTick, ...], Field(min_length=1, max_length=MOST_TICKS)]


class TicksTaken(BaseModel):
    """All are in the log. Whether they count is the workers' to say: the ticks of one source of a symbol do, and a
    price far from the recent ones waits for a second."""

    taken: int


class MarketNow(BaseModel):
    """The newest tick of a symbol in the log, whoever published it; `age_seconds` is market time."""

    symbol: str
    tick: MarketTick
    age_seconds: float | None
    market_time: datetime


class CandleList(BaseModel):
    """Closed candles, oldest first."""

    symbol: str
    timeframe: str
    items: list[Candle]


def ticks_id(*parts: str) -> str:
    """What the names of ticks begin with that came with an Idempotency-Key."""
    return "api-" + hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def named(tick: MarketTick, name: str) -> MarketTick:
    return tick if tick.tick_id else tick.model_copy(update={"tick_id": name})


def refuse_unfit(ticks: Sequence[MarketTick], now: datetime, speed: float) -> None:
    """Refuses what every worker would refuse: a time that has not come."""
    latest = now + SKEW + timedelta(seconds=JITTER_S * speed)
    for place, tick in enumerate(ticks):
        if tick.ts is not None and tick.ts > latest:
            said = f"ahead of market time {now.isoformat()}; leave ts out to use the time of arrival"
            raise invalid(f"body.ticks.{place}.ts", said, "future")
