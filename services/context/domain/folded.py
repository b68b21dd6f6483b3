"""A market whose candles are there before their time: a replay folds those of all timeframes once."""

from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from libs.schemas.base import TIMEFRAME_SECONDS, Timeframe
from libs.schemas.market import MarketTick
from services.context.domain.candles import Track
from services.context.domain.closing import ended
from services.context.domain.market import CAPACITY, OTHER_CAPACITY, MarketState
from services.context.domain.series import Floats, Series, Source

NOTHING_BUILT = 2**62  # no minute begins so late


class FoldedMarket(MarketState):
    """Nothing is built from its ticks."""

    def fold(self, symbol: str, timeframe: Timeframe, times: NDArray[np.int64], columns: Floats) -> None:
        """Take closed candles of a timeframe that is kept, newer than all that is here; a replay has those of all
        timeframes. As `Series.extend`."""
        series = self._series.get((symbol, timeframe))
        if series is None:
            made = Series(TIMEFRAME_SECONDS[timeframe], CAPACITY.get(timeframe, OTHER_CAPACITY))
            series = self._series[symbol, timeframe] = made
        series.extend(times, columns, Source.FEED)

    def tell(self, tick: MarketTick) -> None:
        """The newest tick of a symbol in a market whose candles are all folded: nothing is built from it."""
        track = Track(tick, self.bounds.max_out_of_order, NOTHING_BUILT, healthy=self._healthy)
        track.add(tick)
        self._tracks[tick.symbol] = track

    def pass_by(self, now: datetime) -> None:
        """No minute that ended `close_grace` ago is waited for."""
        self._closed_until = ended(now, self.bounds.close_grace)
        for track in self._tracks.values():
            track.closing = track.clocked = max(track.closing, self._closed_until)
