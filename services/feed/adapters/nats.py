"""The feed's side of the bus: what it publishes, and what it published before."""

import asyncio
import contextlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import nats.js.errors
from pydantic import ValidationError

from libs.runtime.bus import NATS_AWAY, Bus
from libs.runtime.emit import Emit
from libs.runtime.envelope import MSG_ID
from libs.runtime.errors import Unavailable
from libs.runtime.health import Doing
from libs.runtime.reader import Record, Start, read_all
from libs.schemas import subjects
from libs.schemas.base import Message
from libs.schemas.kv_keys import CLOCK_KEY
from libs.schemas.market import Candle, FundingUpdate, MarketClock, MarketTick
from services.feed.ports import Followed, Reached, StoredMarket

SETTLE_S = 2
_CANDLE_ID = re.compile(r"market\.candle:([^|]+)\|([^|]+)\|(\d{1,11})(?:\|r\d+)?")
LOOK_BACK = timedelta(seconds=10)  # clocks of this machine and of the server may differ
M = TypeVar("M", bound=Message)


def _emit(event: Candle | FundingUpdate) -> Emit:
    if isinstance(event, Candle):
        return Emit(subjects.candle(event.symbol, event.timeframe), event)
    return Emit(subjects.funding(event.symbol), event)


class NatsDesk:
    """Publishes and looks up. Raises Unavailable while NATS is away.

    Ticks are not confirmed one by one: what was on its way when a connection ended may be lost, while what the client
    still held is sent by the next one. So after a reconnect no tick goes out before `stored` was asked again.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._intact = False
        self._read = self._written = 0
        bus.on_reconnect(self._reconnected)

    @property
    def doing(self) -> Doing:
        """Of the start: what is read back, then what is written of the history."""
        return Doing("writes the history" if self._written else "reads what is stored", self._read + self._written)

    def _reconnected(self) -> None:
        self._intact = False

    def _check(self) -> None:
        if not (self._intact and self._bus.nc.is_connected):
            raise Unavailable("the connection was lost, and ticks with it")

    async def tick(self, tick: MarketTick) -> None:
        self._check()
        body = tick.model_dump_json(exclude_none=True).encode()
        await self._bus.publish_fast(subjects.tick(tick.symbol), body, tick.tick_id)

    async def settle(self) -> None:
        self._check()
        try:
            await self._bus.nc.flush(SETTLE_S)
        except NATS_AWAY as error:
            raise Unavailable(f"NATS is away: {error!r}") from error
        self._check()

    async def store(self, events: Iterable[Candle | FundingUpdate]) -> None:
        await self._bus.publish_many(map(self._counted, events))

    def _counted(self, event: Candle | FundingUpdate) -> Emit:
        self._written += 1
        return _emit(event)

    async def clock(self, clock: MarketClock) -> None:
        await self._bus.kv_put(subjects.KV_CLOCK.name, CLOCK_KEY, clock)

    async def clear_clock(self) -> None:
        await self._bus.kv_delete(subjects.KV_CLOCK.name, CLOCK_KEY)

    async def stored(self, market: Followed, reached: Reached | None) -> StoredMarket:
        self._intact = True
        funding = await asyncio.gather(
            *(self._last(subjects.MARKET.name, subjects.funding(symbol), FundingUpdate) for symbol in market.symbols)
        )
        return StoredMarket(
            ticks=await self._ticks(market, reached),
            candles=await self._candles(market),
            funding={symbol: last.funding_time for symbol, last in zip(market.symbols, funding, strict=True) if last},
        )

    async def _candles(self, market: Followed) -> dict[tuple[str, str], set[datetime]]:
        """The feed's candles; their ids say what is needed of them. Those of context workers have other ids."""
        found: dict[tuple[str, str], set[datetime]] = {}

        def look(record: Record) -> None:
            self._read += 1
            name = _CANDLE_ID.fullmatch((record.headers or {}).get(MSG_ID, ""))
            if name is not None:
                found.setdefault((name[1], name[2]), set()).add(datetime.fromtimestamp(int(name[3]), UTC))

        filters = [subjects.candle(symbol, "*") for symbol in market.symbols]
        await read_all(self._bus, subjects.CANDLES.name, filters, look, start=Start.all())
        return found

    async def _ticks(self, market: Followed, reached: Reached | None) -> dict[str, datetime]:
        """Our ticks among those stored since `reached` was noted; anybody may publish others on the same subjects."""
        found: dict[str, datetime] = {}

        def look(record: Record) -> None:
            self._read += 1
            name = (record.headers or {}).get(MSG_ID, "")
            if name.startswith(f"{market.source}:{record.subject.rpartition('.')[2]}:"):
                with contextlib.suppress(ValidationError):
                    tick = MarketTick.model_validate_json(record.data)
                    found[name] = tick.ts or market.begins

        start = Start.all() if reached is None else Start.since(reached.at - LOOK_BACK)
        filters = [subjects.tick(symbol) for symbol in market.symbols]
        await read_all(self._bus, subjects.MARKET.name, filters, look, start=start)
        return found

    async def _last(self, stream: str, subject: str, model: type[M]) -> M | None:
        try:
            message = await self._bus.js.get_last_msg(stream, subject, direct=True)
            return model.model_validate_json(message.data or b"")
        except (nats.js.errors.NotFoundError, ValidationError):
            return None
        except NATS_AWAY as error:
            raise Unavailable(f"NATS is away: {error!r}") from error
