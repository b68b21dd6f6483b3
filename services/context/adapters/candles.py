"""Candles built here, published where the feed has none."""

import asyncio
import logging
from collections import deque
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from libs.runtime.clock import Clock
from libs.runtime.emit import Emit
from libs.runtime.errors import Unavailable
from libs.runtime.validation import explain
from libs.schemas import subjects
from libs.schemas.base import TIMEFRAME_SECONDS
from libs.schemas.market import Candle
from services.context.domain.market import Built, MarketState
from services.context.domain.series import Bar, Source
from services.context.metrics import Metrics
from services.context.ports import ConfirmedPublisher

_EVERY_S = 0.25
_BATCH = 1_000
log = logging.getLogger(__name__)


class OwnCandles:
    """Gives the feed `wait` wall seconds to bring a candle that was built here, then publishes ours.

    Ours of all replicas have one id, so that one of them is stored; the feed's has another one, and wins whenever it
    comes.
    """

    def __init__(
        self, market: MarketState, publisher: ConfirmedPublisher, clock: Clock, metrics: Metrics, wait: float
    ) -> None:
        self._market = market
        self._publisher = publisher
        self._clock = clock
        self._metrics = metrics
        self._wait = wait
        self._waiting: deque[tuple[float, Built]] = deque()

    async def run(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                await self.publish_due()
            except Unavailable as error:
                log.warning("%d candles wait for NATS: %r", len(self._waiting), error)

    async def publish_due(self) -> None:
        now = self._clock.monotonic()
        self._waiting.extend((now + self._wait, built) for built in self._market.take_built())
        due = [built for at, built in self._waiting if at <= now][:_BATCH]
        emits = [emit for built in due if (emit := self._emit(built)) is not None]
        await self._publisher.publish_many(emits)
        self._metrics.candles_published.inc(len(emits))
        for _ in due:
            self._waiting.popleft()

    def _emit(self, built: Built) -> Emit | None:
        series = self._market.series(built.symbol, built.timeframe)
        found = series.at(built.open_time) if series else None
        if found is None or found[1] is not (Source.REPAIRED if built.revised else Source.BUILT):
            return None
        try:
            return Emit(subjects.candle(built.symbol, built.timeframe), wire(built, found[0]))
        except ValidationError as error:  # sizes of valid ticks may add up to more than a candle may say
            log.warning("a candle of %s is not published: %s", built.symbol, explain(error)[2])
            return None


def wire(built: Built, bar: Bar) -> Candle:
    open_time = datetime.fromtimestamp(bar.open_time, UTC)
    return Candle(
        symbol=built.symbol,
        timeframe=built.timeframe,
        open_time=open_time,
        close_time=open_time + timedelta(seconds=TIMEFRAME_SECONDS[built.timeframe]),
        open=bar.open,
        high=bar.high,
        low=bar.low,
        close=bar.close,
        volume=bar.volume,
        quote_volume=bar.quote,
        trades=bar.trades,
        origin="context",
        revision=bar.trades if built.revised else 0,
    )
