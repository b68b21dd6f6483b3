"""Technical indicators by TA-Lib, over closed candles only."""

from datetime import UTC, datetime

import numpy as np
import talib

from libs.schemas.base import Timeframe
from libs.schemas.context import TechnicalIndicatorsSet
from services.context.domain.series import Floats, Series

MOST = 250  # candles that are used: EMA 50's seed has decayed below 1e-4 of itself
LAST = 10
# Closed candles that each indicator needs for its first value: TA-Lib's lookback + 1.
WARM_UP = {
    "ema_20": 20,
    "ema_50": 50,
    "macd": 34,
    "macd_signal": 34,
    "macd_hist": 34,
    "rsi_14": 15,
    "bb_upper": 20,
    "bb_middle": 20,
    "bb_lower": 20,
    "atr_14": 15,
    "volume_ratio": 20,
}


def indicators(timeframe: Timeframe, series: Series | None) -> TechnicalIndicatorsSet:
    """The last 10 values of each indicator, oldest → newest, over the newest candles that have no gap (at most 250)."""
    n = series.contiguous(MOST) if series else 0
    if series is None or n == 0:
        return TechnicalIndicatorsSet(timeframe=timeframe, candles_used=0)
    values = compute(series.high[-n:], series.low[-n:], series.close[-n:], series.volume[-n:])
    as_of = datetime.fromtimestamp(series.newest_close or 0, UTC)
    return TechnicalIndicatorsSet(
        timeframe=timeframe,
        high=_last(series.high[-n:]),
        low=_last(series.low[-n:]),
        close=_last(series.close[-n:]),
        as_of=as_of,
        candles_used=n,
        **{name: _last(column) for name, column in values.items()},
    )


def compute(high: Floats, low: Floats, close: Floats, volume: Floats) -> dict[str, Floats]:
    """Whole columns by name; not a number before the warm-up."""
    macd, signal, hist = talib.MACD(close, 12, 26, 9)
    upper, middle, lower = talib.BBANDS(close, 20, 2.0, 2.0)
    return {
        "ema_20": talib.EMA(close, 20),
        "ema_50": talib.EMA(close, 50),
        "macd": macd,
        "macd_signal": signal,
        "macd_hist": hist,
        "rsi_14": _rsi(close),
        "bb_upper": upper,
        "bb_middle": middle,
        "bb_lower": lower,
        "atr_14": talib.ATR(high, low, close, 14),
        "volume_ratio": _ratio(volume),
    }


def missing(found: TechnicalIndicatorsSet) -> tuple[str, ...]:
    """Names of the indicators whose warm-up is short."""
    return tuple(name for name in WARM_UP if getattr(found, name) is None)


def _rsi(close: Floats) -> Floats:
    """RSI 14; 50 where the price has not moved at all: neither gains nor losses, of which TA-Lib makes 0."""
    rsi = talib.RSI(close, 14)
    if not (rsi == 0).any():
        return rsi
    still = np.maximum.accumulate(np.abs(close - close[:1])) == 0
    return np.where(still & ~np.isnan(rsi), 50.0, rsi)


def _ratio(volume: Floats) -> Floats:
    """Volume ÷ mean of the last 20 including itself; 0 where nothing was traded in all of them."""
    mean = talib.SMA(volume, 20)
    return np.divide(volume, mean, out=np.where(np.isnan(mean), np.nan, 0.0), where=mean > 0)


def _last(column: Floats) -> tuple[float, ...] | None:
    """The last values that are numbers; None where there is none."""
    tail = column[-LAST:]
    return tuple(tail[np.isfinite(tail)].tolist()) or None
