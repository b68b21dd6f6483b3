"""The log of candles, followed from its beginning: after a start everything that it still holds is known.

Until then nothing is: what was told late stands behind what is newer, and a part of the log would look like a gap.
"""

import asyncio
from datetime import datetime

from pydantic import ValidationError

from libs.analytics.excursions import PathBar
from libs.analytics.forward import Closes
from libs.runtime.bus import Bus
from libs.runtime.ending import end
from libs.runtime.reader import OrderedReader, Record, Start
from libs.schemas import subjects
from libs.schemas.market import Candle
from libs.schemas.names import ANY
from services.ledger.domain.candles import CandleBook

TIMEFRAMES = ("1m", "5m", "15m", "1h")  # 25 hours of minutes, two months of hours


class FollowedCandles:
    def __init__(self, bus: Bus) -> None:
        filters = [subjects.candle(ANY, timeframe) for timeframe in TIMEFRAMES]
        self._reader = OrderedReader(bus, subjects.CANDLES.name, filters, self._take, start=Start.all())
        self._book = CandleBook()
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Does not wait: the log may hold hundreds of thousands, and nothing else of the ledger needs them."""
        await self._reader.start()
        self._reading = asyncio.create_task(self._reader.caught_up(), name="candles-read")

    async def stop(self) -> None:
        if self._reading is not None:
            await end([self._reading])
        await self._reader.stop()

    def newest(self) -> dict[str, datetime]:
        """Nothing until the whole log has been read."""
        whole = self._reading is not None and self._reading.done()
        return self._book.newest() if whole else {}

    def closes(self, symbol: str) -> Closes:
        return self._book.closes(symbol)

    def bars(self, symbol: str) -> list[PathBar]:
        return self._book.bars(symbol)

    def _take(self, record: Record) -> None:
        try:
            self._book.add(Candle.model_validate_json(record.data))
        except ValidationError:
            return  # somebody published what is no candle
