"""Whole columns of figures over the newest candles without a gap, by the names that prompts and conditions have."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from libs.schemas.base import Timeframe
from services.context.domain.indicators import compute
from services.context.domain.market import MarketState
from services.context.domain.series import Floats

_FIELDS = {
    "ema20": "ema_20", "ema50": "ema_50", "macd": "macd", "signal": "macd_signal", "hist": "macd_hist",
    "rsi14": "rsi_14", "bb_low": "bb_lower", "bb_mid": "bb_middle", "bb_up": "bb_upper", "atr14": "atr_14",
    "vol_ratio": "volume_ratio",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class CandleColumns:
    """`ends` are closing times, epoch seconds, `step` seconds apart; not a number before an indicator's warm-up."""

    step: int
    ends: NDArray[np.int64]
    figures: Mapping[str, Floats]


class Columns:
    """Made anew only when a candle of theirs closed or changed; shared by all accounts."""

    def __init__(self, market: MarketState) -> None:
        self._market = market
        self._kept: dict[tuple[str, Timeframe], tuple[int, CandleColumns]] = {}

    def of(self, symbol: str, timeframe: Timeframe) -> CandleColumns | None:
        series = self._market.series(symbol, timeframe)
        if series is None or not len(series):
            return None
        kept = self._kept.get((symbol, timeframe))
        if kept is None or kept[0] != series.version:
            n = series.contiguous(series.capacity)
            close = series.close[-n:].copy()  # the series' own is a view that the next candle changes
            made = compute(series.high[-n:], series.low[-n:], close, series.volume[-n:])
            figures = {"close": close} | {figure: made[field] for figure, field in _FIELDS.items()}
            kept = series.version, CandleColumns(series.step, series.times[-n:] + series.step, figures)
            self._kept[symbol, timeframe] = kept
        return kept[1]
