"""The log of candles, followed from its beginning: after a start everything that it still holds is known."""

from datetime import datetime

from pydantic import ValidationError

from libs.analytics.excursions import PathBar
from libs.analytics.forward import Closes
from libs.runtime.bus import Bus
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

    async def start(self) -> None:
        await self._reader.start()
        await self._reader.caught_up()

    async def stop(self) -> None:
        await self._reader.stop()

    def newest(self) -> dict[str, datetime]:
        return self._book.newest()

    def closes(self, symbol: str) -> Closes:
        return self._book.closes(symbol)

    def bars(self, symbol: str) -> list[PathBar]:
        return self._book.bars(symbol)

    def _take(self, record: Record) -> None:
        try:
            self._book.add(Candle.model_validate_json(record.data))
        except ValidationError:
            return  # somebody published what is no candle
