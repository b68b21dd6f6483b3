"""The candles of the log as outcomes need them: bounded, of each time the one that counts."""

from datetime import datetime

from libs.analytics.excursions import PathBar
from libs.analytics.forward import Closes
from libs.schemas.base import TIMEFRAME_SECONDS, Timeframe
from libs.schemas.market import Candle
from libs.schemas.subjects import CANDLES

MOST = CANDLES.max_per_subject or 1_500  # of each symbol and timeframe, as the log itself


class CandleBook:
    def __init__(self) -> None:
        self._bars: dict[str, dict[Timeframe, dict[datetime, tuple[PathBar, bool]]]] = {}
        self._newest: dict[str, datetime] = {}
        self._closes: dict[str, Closes] = {}  # made when asked for, until the next candle: outcomes ask each second

    def add(self, candle: Candle) -> None:
        """One that is told anew counts, but none that was built from ticks against one of the feed."""
        of_feed = candle.origin == "feed"
        bars = self._bars.setdefault(candle.symbol, {}).setdefault(candle.timeframe, {})
        known = bars.get(candle.open_time)
        if known is not None and known[1] and not of_feed:
            return
        bars[candle.open_time] = (
            PathBar(candle.open_time, candle.close_time, candle.high, candle.low, candle.close),
            of_feed,
        )
        if len(bars) > MOST:
            del bars[min(bars)]
        self._closes.pop(candle.symbol, None)
        newest = self._newest.get(candle.symbol)
        self._newest[candle.symbol] = candle.close_time if newest is None else max(newest, candle.close_time)

    def newest(self) -> dict[str, datetime]:
        """By symbol, when the last candle closed."""
        return dict(self._newest)

    def bars(self, symbol: str) -> list[PathBar]:
        """Of all timeframes, the finest last: of two closes of one time its counts."""
        of_symbol = self._bars.get(symbol, {})
        coarse_first = sorted(of_symbol, key=lambda timeframe: TIMEFRAME_SECONDS[timeframe], reverse=True)
        return [bar for timeframe in coarse_first for bar, _ in of_symbol[timeframe].values()]

    def closes(self, symbol: str) -> Closes:
        if symbol not in self._closes:
            self._closes[symbol] = Closes.of((bar.close_time, bar.close) for bar in self.bars(symbol))
        return self._closes[symbol]
