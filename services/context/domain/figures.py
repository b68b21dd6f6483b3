"""Figures of one asset over its closed candles: 24 hours, volatility, trend; and of the market as a whole."""

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from libs.schemas.context import TechnicalIndicatorsSet
from services.context.domain.series import Series

DAY = 86_400
VOLATILITY_RETURNS = 20
TREND_BAND = 0.0005  # EMA 20 and EMA 50 closer than 0.05 % of each other are no trend
SENTIMENT_PCT = 2.0

Trend = Literal["up", "down", "flat"]
Sentiment = Literal["bullish", "bearish", "neutral"]


def close_24h_ago(by_step: Iterable[Series]) -> float | None:
    """The close 24 hours before the newest close, from the first series (finest first) that has it."""
    for series in by_step:
        newest = series.newest_close
        if newest is not None and (close := series.closed_at(newest - DAY)) is not None:
            return close
    return None


def volume_24h(by_step: Iterable[Series]) -> float | None:
    """Volume in quote currency of the last 24 hours of closed candles, from the first series that covers them all."""
    for series in by_step:
        n = DAY // series.step
        if series.contiguous(n) == n:
            quote, volume, close = series.quote[-n:], series.volume[-n:], series.close[-n:]
            return float(np.where((quote == 0) & (volume > 0), volume * close, quote).sum())
    return None


def range_24h(by_step: Iterable[Series]) -> tuple[float, float] | None:
    """Highest and lowest price of the last 24 hours of closed candles, from the first series that covers them all."""
    for series in by_step:
        n = DAY // series.step
        if series.contiguous(n) == n:
            return float(series.high[-n:].max()), float(series.low[-n:].min())
    return None


def change_percent(price: float, before: float) -> float:
    return (price / before - 1) * 100


def volatility(series: Series) -> float:
    """Sample standard deviation of the last 20 candle returns, in percent; 0 with fewer than two returns."""
    closes = series.close[-min(series.contiguous(VOLATILITY_RETURNS + 1), VOLATILITY_RETURNS + 1) :]
    if len(closes) < 3:
        return 0.0
    return float(np.std(closes[1:] / closes[:-1] - 1, ddof=1) * 100)


def trend(found: TechnicalIndicatorsSet) -> Trend:
    """Up or down where EMA 20 is above or below EMA 50 by more than the dead band; flat without both."""
    if not found.ema_20 or not found.ema_50:
        return "flat"
    distance = found.ema_20[-1] / found.ema_50[-1] - 1
    if abs(distance) <= TREND_BAND:
        return "flat"
    return "up" if distance > 0 else "down"


def atr_percent(found: TechnicalIndicatorsSet, price: float) -> float | None:
    """ATR 14 in percent of `price`."""
    return found.atr_14[-1] / price * 100 if found.atr_14 else None


def breadth(changes: Sequence[float]) -> float | None:
    """Share of risers among risers and fallers; unchanged counts as neither. None without either."""
    risers, fallers = sum(c > 0 for c in changes), sum(c < 0 for c in changes)
    return risers / (risers + fallers) if risers + fallers else None


def sentiment(changes: Sequence[float]) -> Sentiment | None:
    """Bullish above +2 % mean change with most rising, bearish mirrored, else neutral; None without any."""
    if not changes:
        return None
    mean, share = sum(changes) / len(changes), breadth(changes)
    if share is not None and mean > SENTIMENT_PCT and share > 0.5:
        return "bullish"
    if share is not None and mean < -SENTIMENT_PCT and share < 0.5:
        return "bearish"
    return "neutral"
