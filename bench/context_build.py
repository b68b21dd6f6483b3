"""Time to build one context: 5 assets × 2 timeframes × 500 candles, right after a candle of each closed.

Reference: TA-Lib alone over the same candles.
"""

import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from libs.schemas import ids
from libs.schemas.base import TIMEFRAME_SECONDS, Timeframe
from libs.schemas.context import DecisionRequest, TradingContext, Trigger
from libs.schemas.market import Candle
from services.context.domain.assets import Studies
from services.context.domain.context import Subject, build
from services.context.domain.indicators import MOST, compute
from services.context.domain.market import Bounds, MarketState
from services.context.domain.series import Source
from tests import builders

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT")
TIMEFRAMES: tuple[Timeframe, ...] = ("1m", "5m")
CANDLES = 500
ROUNDS = 200
GOAL_MS = 2.0
END = datetime(2025, 5, 7, tzinfo=UTC)


def run() -> list[dict[str, Any]]:
    """One row: median milliseconds per context."""
    market, subject = _market(), made_subject()
    request = _request()

    def cold() -> None:
        built = build(request, subject, market, Studies(market), END + timedelta(seconds=3))
        assert isinstance(built, TradingContext)

    found = _median_ms(cold)
    return [
        {
            "name": "context_build",
            "value": round(found, 3),
            "unit": "ms",
            "goal": GOAL_MS,
            "met": found <= GOAL_MS,
            "reference": f"TA-Lib alone {_median_ms(lambda: _talib_alone(market)):.3f} ms",
        }
    ]


def _median_ms(work: Callable[[], None]) -> float:
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


def _talib_alone(market: MarketState) -> None:
    for symbol in SYMBOLS:
        for timeframe in TIMEFRAMES:
            series = market.series(symbol, timeframe)
            assert series is not None
            compute(series.high[-MOST:], series.low[-MOST:], series.close[-MOST:], series.volume[-MOST:])


def _market() -> MarketState:
    market = MarketState(Bounds())
    market.use(TIMEFRAMES)
    random = np.random.default_rng(7)
    for symbol in SYMBOLS:
        for timeframe in TIMEFRAMES:
            step = timedelta(seconds=TIMEFRAME_SECONDS[timeframe])
            closes = 100 * np.cumprod(1 + random.normal(0, 0.002, CANDLES))
            for n, close in enumerate(closes.tolist()):
                market.on_candle(made_candle(symbol, timeframe, END - step * (CANDLES - n), close), Source.FEED)
        tick = builders.tick(symbol, ts=END + timedelta(seconds=1), mark_price=100.1)
        market.on_tick(tick, 1)
    return market


def made_candle(symbol: str, timeframe: Timeframe, open_time: datetime, close: float) -> Candle:
    extremes = {"high": close * 1.001, "low": close * 0.999}
    return builders.candle(symbol, timeframe, open_time, close, **extremes, volume=5.0, quote_volume=5.0 * close)


def made_subject() -> Subject:
    strategy = builders.strategy("bench", timeframe_preference=TIMEFRAMES)
    account = builders.account("bench", symbols=SYMBOLS, strategy_id="bench")
    return Subject(account, strategy, builders.state("bench", as_of=END))


def _request() -> DecisionRequest:
    cycle = ids.interval_cycle("1m", END)
    return builders.request(
        ids.trigger_request_id("bench", cycle),
        account_id="bench",
        cycle=cycle,
        trigger=Trigger(kind="interval"),
        requested_at=END,
    )
