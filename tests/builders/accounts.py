"""Accounts: how they are configured, how they stand, and the strategy that they follow."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from libs.schemas.account import (
    Account,
    AccountState,
    ControlRequested,
    OpenOrder,
    PerformanceMetrics,
    Position,
    TradingDay,
)
from libs.schemas.strategy import StrategyRiskParameters, TradingStrategy
from tests.builders.market import T0


def account(account_id: str = "acc1", **changes: Any) -> Account:
    defaults: dict[str, Any] = {
        "account_id": account_id,
        "name": account_id,
        "initial_balance": Decimal(10_000),
        "symbols": ("BTCUSDT",),
        "strategy_id": "trend",
        "max_position_size": Decimal(5_000),
        "leverage": Decimal(3),
    }
    return Account(**(defaults | changes))


def strategy(strategy_id: str = "trend", *, risk: Mapping[str, Any] | None = None, **changes: Any) -> TradingStrategy:
    """`risk` changes some of the risk parameters and leaves the others as they are."""
    parameters = {
        "max_risk_per_trade": 1,
        "max_daily_loss": 5,
        "stop_loss_percentage": 1,
        "max_funding_rate_bps": 10,
        **(risk or {}),
    }
    defaults: dict[str, Any] = {
        "strategy_id": strategy_id,
        "strategy_name": strategy_id.title(),
        "strategy_type": "custom",
        "description": "for tests",
        "prompt_template": "x",
        "risk_parameters": StrategyRiskParameters(**parameters),
        "timeframe_preference": ("1m", "5m"),
        "margin_pct": 10,
        "funding_rate_threshold": 0.05,
        "max_exposure_pct": 200,
        "max_asset_share_pct": 50,
        "max_cluster_pct": 100,
    }
    return TradingStrategy(**(defaults | changes))


def performance(**changes: Any) -> PerformanceMetrics:
    """Of an account that has not closed a trade."""
    defaults = {"total_pnl": 0, "win_rate": 0, "avg_win": 0, "avg_loss": 0, "max_drawdown": 0, "trades": 0}
    return PerformanceMetrics(**(defaults | changes))


def state(account_id: str = "acc1", **changes: Any) -> AccountState:
    """An account of 10 000 with nothing open; its day began when it was as it is."""
    as_of = changes.get("as_of", T0)
    defaults: dict[str, Any] = {
        "account_id": account_id,
        "version": 1,
        "mode": "paper",
        "venue": "paper",
        "margin_mode": "isolated",
        "trading_state": "active",
        "wallet_balance": Decimal(10_000),
        "performance": performance(),
        "day": TradingDay(start=as_of, open_equity=Decimal(10_000)),
        "maker_fee_bps": 2,
        "taker_fee_bps": 5,
        "as_of": as_of,
    }
    return AccountState(**(defaults | changes))


def position(symbol: str = "BTCUSDT", **changes: Any) -> Position:
    """Long 2 at 100 with half of it as margin."""
    defaults: dict[str, Any] = {
        "symbol": symbol,
        "side": "long",
        "quantity": Decimal(2),
        "entry_price": Decimal(100),
        "leverage": Decimal(2),
        "margin": Decimal(100),
        "opened_at": T0,
        "decision_id": "dec-1",
    }
    return Position(**(defaults | changes))


def open_order(symbol: str = "BTCUSDT", **changes: Any) -> OpenOrder:
    """An entry to buy that rests."""
    defaults: dict[str, Any] = {
        "client_order_id": "0" * 32,
        "symbol": symbol,
        "side": "buy",
        "type": "limit",
        "price": Decimal(50),
        "quantity": Decimal(1),
        "reduce_only": False,
        "leg": "entry",
        "created_at": T0,
    }
    return OpenOrder(**(defaults | changes))


def control(state: str = "halted", scope: str = "all", **changes: Any) -> ControlRequested:
    defaults: dict[str, Any] = {
        "control_id": "c-1",
        "scope": scope,
        "state": state,
        "reason": "a test",
        "by": "test",
        "requested_at": T0,
    }
    return ControlRequested(**(defaults | changes))


def act(act: dict[str, Any], scope: str = "paper-1", **changes: Any) -> ControlRequested:
    """An act by hand."""
    plain = control(scope=scope).model_dump() | {"schema_version": 2, "state": None, "act": act, "by": "operator"}
    return ControlRequested.model_validate(plain | changes)
