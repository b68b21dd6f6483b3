"""Ticks, candles, accounts and requests for tests of the context worker."""

import csv
import gzip
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from libs.schemas import ids
from libs.schemas.account import Account, AccountState, PerformanceMetrics, Position, TradingDay
from libs.schemas.base import Timeframe
from libs.schemas.context import DecisionRequest, Trigger
from libs.schemas.market import Candle, MarketTick
from libs.schemas.strategy import StrategyRiskParameters, TradingStrategy
from services.context.domain.series import Bar

T0 = datetime(2025, 5, 5, tzinfo=UTC)
S0 = int(T0.timestamp())


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def tick(seconds: float, price: float, size: float | None = 1.0, symbol: str = "BTCUSDT", **more: Any) -> MarketTick:
    return MarketTick(symbol=symbol, ts=at(seconds), price=price, size=size, source="test", **more)


def bar(minute: int, price: float = 100.0, step: int = 60, **more: Any) -> Bar:
    values = {"open": price, "high": price, "low": price, "close": price, "volume": 1.0, "quote": price} | more
    return Bar(S0 + minute * step, **values)


def candle(minute: int, price: float = 100.0, timeframe: Timeframe = "1m", step: int = 60, **more: Any) -> Candle:
    values: dict[str, Any] = {"open": price, "high": price, "low": price, "close": price, "volume": 1.0, "trades": 4}
    values |= {"symbol": "BTCUSDT", "quote_volume": price} | more
    return Candle(timeframe=timeframe, open_time=at(minute * step), close_time=at((minute + 1) * step), **values)


def strategy(*timeframes: Timeframe, **more: Any) -> TradingStrategy:
    values: dict[str, Any] = {
        "strategy_id": "trend",
        "strategy_name": "Trend",
        "strategy_type": "custom",
        "description": "for tests",
        "prompt_template": "x",
        "risk_parameters": StrategyRiskParameters(
            max_risk_per_trade=1, max_daily_loss=5, stop_loss_percentage=1, max_funding_rate_bps=10
        ),
        "timeframe_preference": timeframes or ("1m", "5m"),
        "margin_pct": 10,
        "funding_rate_threshold": 0.05,
        "max_exposure_pct": 200,
        "max_asset_share_pct": 50,
        "max_cluster_pct": 100,
    }
    return TradingStrategy(**(values | more))


def account(account_id: str = "acc1", **more: Any) -> Account:
    values: dict[str, Any] = {
        "account_id": account_id,
        "name": account_id,
        "initial_balance": Decimal(10_000),
        "symbols": ("BTCUSDT",),
        "strategy_id": "trend",
        "max_position_size": Decimal(5_000),
        "leverage": Decimal(3),
    }
    return Account(**(values | more))


def state(account_id: str = "acc1", **more: Any) -> AccountState:
    values: dict[str, Any] = {
        "account_id": account_id,
        "version": 1,
        "mode": "paper",
        "venue": "paper",
        "margin_mode": "isolated",
        "trading_state": "active",
        "wallet_balance": Decimal(10_000),
        "performance": PerformanceMetrics(
            total_pnl=Decimal(0), win_rate=0, avg_win=Decimal(0), avg_loss=Decimal(0), max_drawdown=0, trades=0
        ),
        "day": TradingDay(start=T0, open_equity=Decimal(10_000)),
        "maker_fee_bps": 2,
        "taker_fee_bps": 5,
        "as_of": T0,
    }
    return AccountState(**(values | more))


def position(symbol: str = "BTCUSDT", **more: Any) -> Position:
    values: dict[str, Any] = {
        "symbol": symbol,
        "side": "long",
        "quantity": Decimal(2),
        "entry_price": Decimal(100),
        "leverage": Decimal(2),
        "margin": Decimal(100),
        "opened_at": T0,
        "decision_id": "dec-1",
    }
    return Position(**(values | more))


def request(now: datetime, account_id: str = "acc1", **more: Any) -> DecisionRequest:
    values: dict[str, Any] = {
        "request_id": "r1",
        "account_id": account_id,
        "cycle": ids.request_cycle("r1"),
        "trigger": Trigger(kind="api"),
        "requested_by": "test",
        "requested_at": now,
        "expires_at": now + timedelta(seconds=60),
    }
    return DecisionRequest(**(values | more))


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
