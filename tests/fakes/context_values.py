"""Ticks, candles, accounts and requests for tests of the context worker."""

import csv
import gzip
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from libs.schemas import ids
from libs.schemas.base import Timeframe
from libs.schemas.context import DecisionRequest
from libs.schemas.market import Candle, MarketTick
from libs.schemas.strategy import TradingStrategy
from services.context.domain.series import Bar
from tests import builders

T0 = builders.T0
S0 = int(T0.timestamp())
CYCLE = ids.request_cycle("r1")


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def tick(seconds: float, price: float, size: float | None = 1.0, symbol: str = "BTCUSDT", **more: Any) -> MarketTick:
    return builders.tick(symbol, price, ts=at(seconds), size=size, **more)


def bar(minute: int, price: float = 100.0, step: int = 60, **more: Any) -> Bar:
    values = {"open": price, "high": price, "low": price, "close": price, "volume": 1.0, "quote": price} | more
    return Bar(S0 + minute * step, **values)


def candle(minute: int, price: float = 100.0, timeframe: Timeframe = "1m", step: int = 60, **more: Any) -> Candle:
    symbol = more.pop("symbol", "BTCUSDT")
    ends = {"close_time": at((minute + 1) * step)}
    return builders.candle(symbol, timeframe, at(minute * step), price, **(ends | more))


def strategy(*timeframes: Timeframe, **more: Any) -> TradingStrategy:
    return builders.strategy(timeframe_preference=timeframes or ("1m", "5m"), **more)


def request(now: datetime, account_id: str = "acc1", **more: Any) -> DecisionRequest:
    """Whatever its id is, it is of the same cycle unless told else."""
    values: dict[str, Any] = {"account_id": account_id, "cycle": CYCLE, "requested_at": now}
    return builders.request(**(values | more))


def data_dir() -> Path | None:
    """Where the real candles lie, if they do."""
    given = os.environ.get("PERPETUA_DATA_DIR")
    folder = Path(given) if given else Path(__file__).parents[3] / "shared" / "data"
    return folder if (folder / "BTCUSDT-1m.csv.gz").exists() else None


def real_candles(folder: Path, symbol: str, count: int) -> Iterator[Bar]:
    with gzip.open(folder / f"{symbol}-1m.csv.gz", "rt") as lines:
        for n, row in enumerate(csv.DictReader(lines)):
            if n == count:
                return
            o, h, low, c, v = (float(row[key]) for key in ("open", "high", "low", "close", "volume"))
            yield Bar(int(row["open_time"]) // 1000, o, h, low, c, v)
